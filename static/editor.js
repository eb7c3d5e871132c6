// The editor of a question. The form works without it; this adds line
// numbers, what is wrong beside its line, and the completion of words.
"use strict";
(() => {
  const form = document.querySelector("[data-check]");
  if (!form) return;
  const text = form.elements.scenario_text;
  const frame = form.querySelector(".editor");
  const lines = form.querySelector(".editor-lines");
  const notes = form.querySelector(".editor-notes");
  const list = form.querySelector(".editor-words");
  const status = form.querySelector(".editor-status");
  const link = form.querySelector("[data-permalink]");
  const origin = new URLSearchParams(location.search).get("scenario");
  const PAUSE = 400;
  const AGAIN = 2000;
  const MOST = 12;
  const LONGEST = 150;
  let wrong = [];
  let words = null;

  const make = (name, textContent, more = {}) =>
    Object.assign(document.createElement(name), { textContent }, more);
  // All lines are equally high, all letters equally wide.
  const style = getComputedStyle(text);
  const height = parseFloat(style.lineHeight);
  const above = parseFloat(style.paddingTop) + parseFloat(style.borderTopWidth);
  const TAB = 8;
  function getWidth() {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = style.font;
    return pen.measureText("0").width;
  }

  // Line numbers, and the notes beside them.
  function showLines() {
    const marked = new Set(wrong.map((one) => one.line));
    const count = text.value.split("\n").length;
    const shown = [];
    for (let line = 1; line <= count; line += 1) {
      shown.push(marked.has(line) ? make("b", line) : String(line), "\n");
    }
    lines.replaceChildren(...shown, "\n\n");
    follow();
  }

  function showNotes() {
    notes.replaceChildren(...wrong.map((one) => {
      const item = document.createElement("li");
      const plain = { type: "button", className: "button-plain" };
      const go = make("button", `line ${one.line}`, plain);
      go.addEventListener("click", () => goTo(one));
      item.append(go, " ", make("span", one.message));
      const hint = one.expected ?? "";
      const cut = hint.length > LONGEST ? `${hint.slice(0, LONGEST)}…` : hint;
      if (cut) item.append(make("i", `expected ${cut}`, { title: hint }));
      return item;
    }));
    notes.hidden = !wrong.length;
    text.setAttribute("aria-invalid", String(wrong.length > 0));
    const first = wrong[0];
    status.classList.toggle("wrong", wrong.length > 0);
    status.textContent = !first ? "Nothing is wrong with it."
      : `${wrong.length === 1 ? "One line is" : `${wrong.length} lines are`}` +
        ` wrong: line ${first.line}, column ${first.column}: ${first.message}`;
    showLines();
  }

  function follow() {
    lines.scrollTop = text.scrollTop;
    lines.style.height = `${text.clientHeight}px`;
    let free = -Infinity;
    [...notes.children].forEach((item, place) => {
      const wanted = above + (wrong[place].line - 1) * height - text.scrollTop;
      const top = Math.max(wanted, free);
      item.style.top = `${top}px`;
      free = top + item.offsetHeight + 4;
    });
  }

  function goTo(one) {
    const before = text.value.split("\n").slice(0, one.line - 1).join("\n");
    const start = before.length + (one.line > 1 ? 1 : 0) + one.column - 1;
    text.focus();
    text.setSelectionRange(start, start);
    text.scrollTop = Math.max(0, (one.line - 5) * height);
  }

  // What is wrong is found by the server, a moment after the last key.
  let timer = 0;
  let asking = null;
  function checkSoon(pause = PAUSE) {
    clearTimeout(timer);
    timer = setTimeout(check, pause);
  }

  async function check() {
    asking?.abort();
    asking = new AbortController();
    const typed = new URLSearchParams(new FormData(form));
    try {
      const answer = await fetch(form.dataset.check, {
        method: "POST", body: typed, signal: asking.signal,
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const found = await answer.json();
      wrong = found.errors;
      showNotes();
      keep(found.link);
    } catch (error) {
      if (error.name === "AbortError") return;
      status.textContent = "It could not be checked just now.";
      if (error.message === "503") checkSoon(AGAIN);
    }
  }

  // The address holds the text, so that it survives a reload.
  let isTouched = false;
  function keep(address) {
    if (link) link.hidden = !address;
    if (!address) return;
    if (link) link.href = address;
    const more = origin ? `&scenario=${encodeURIComponent(origin)}` : "";
    if (isTouched) history.replaceState(null, "", address + more);
  }

  // Which words fit: by the section, and whether the caret is in a listing.
  function read() {
    const before = text.value.slice(0, text.selectionStart);
    let section = "";
    let quote = "";
    const own = new Set();
    for (const line of text.value.split("\n")) {
      const label = /^\s*([A-Za-z_][\w.]*)\s*(?::|=)/.exec(line);
      if (label) own.add(label[1]);
    }
    for (const line of before.split("\n").slice(0, -1)) {
      const head = quote ? null : /^\s*\[([\w-]+)/.exec(line);
      if (head) section = head[1];
      for (const mark of line.match(/"""|'''/g) ?? []) {
        if (!quote) quote = mark;
        else if (quote === mark) quote = "";
      }
    }
    const line = before.slice(before.lastIndexOf("\n") + 1);
    return { section, quote, line, own };
  }

  function choose() {
    const { section, quote, line, own } = read();
    const mine = [...own].map((name) => [name, "of this text"]);
    const value = /([\w-]+)\s*=\s*["'][^"']*$/.exec(line)?.[1];
    const starts = /^\s*[\w.]*$/.test(line);
    if (quote) return section === "code" ? [...words.code, ...mine] : [];
    if (/^\s*\[\w*$/.test(line)) return words.sections;
    if (value === "is") return [...words.outcomes, ...mine];
    if (value === "platform") return words.platforms;
    if (value && Object.hasOwn(words.values, value)) {
      return words.values[value].map((name) => [name, `of ${value}`]);
    }
    if (/policies\s*=\s*\{[^}]*$/.test(line)) return words.policies;
    if (!starts) return [];
    return { "": words.keys, code: words.listings, events: words.events,
      policies: words.policies, platforms: words.platforms }[section] ?? [];
  }

  function getTyped() {
    const before = text.value.slice(0, text.selectionStart);
    return /(?:\[\w*|[\w.-]+)?$/.exec(before)[0];
  }

  function find(typed) {
    const wanted = typed.toLowerCase();
    const fits = (name) => {
      const low = name.toLowerCase();
      return low.startsWith(wanted) || low.startsWith(`vmi_${wanted}`);
    };
    return choose().filter(([name]) => fits(name) && name !== typed)
      .slice(0, MOST);
  }

  // The list of words, below the caret.
  let selected = -1;
  function close() {
    list.hidden = true;
    selected = -1;
    text.removeAttribute("aria-activedescendant");
  }

  function select(place) {
    const options = [...list.children];
    selected = (place + options.length) % options.length;
    options.forEach((option, number) =>
      option.setAttribute("aria-selected", String(number === selected)));
    text.setAttribute("aria-activedescendant", options[selected].id);
    options[selected].scrollIntoView({ block: "nearest" });
  }

  function open(isAsked) {
    const typed = getTyped();
    const found = words && (isAsked || typed.length > 1) ? find(typed) : [];
    if (!found.length) return close();
    list.replaceChildren(...found.map(([name, hint], number) => {
      const option = make("li", "", { id: `editor-word-${number}` });
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.append(make("code", name), make("span", hint));
      option.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        accept(name);
      });
      option.dataset.word = name;
      return option;
    }));
    const before = text.value.slice(0, text.selectionStart).split("\n");
    const start = before.at(-1).slice(0, before.at(-1).length - typed.length);
    let column = 0;
    for (const letter of start) {
      column += letter === "\t" ? TAB - column % TAB : 1;
    }
    list.hidden = false;
    selected = -1;
    text.removeAttribute("aria-activedescendant");
    const left = parseFloat(style.paddingLeft) + column * getWidth();
    const most = frame.clientWidth - list.offsetWidth;
    list.style.left = `${Math.max(0, Math.min(left - text.scrollLeft, most))}px`;
    list.style.top = `${above + before.length * height - text.scrollTop}px`;
    if (isAsked) select(0);
  }

  function accept(word) {
    const end = text.selectionStart;
    text.setSelectionRange(end - getTyped().length, end);
    close();
    // keeps the browser's own undo, where it is there
    if (!document.execCommand("insertText", false, word)) {
      text.setRangeText(word, text.selectionStart, end, "end");
      text.dispatchEvent(new Event("input"));
    }
    close();
  }

  const MOVES = { ArrowDown: 1, ArrowUp: -1 };
  text.addEventListener("keydown", (event) => {
    const { key } = event;
    if (event.ctrlKey && key === " ") {
      event.preventDefault();
      loadWords().then(() => open(true));
    } else if (key === "F8" && wrong.length) {
      event.preventDefault();
      const at = text.value.slice(0, text.selectionStart).split("\n").length;
      goTo(wrong.find((one) => one.line > at) ?? wrong[0]);
    } else if (!list.hidden && key in MOVES) {
      event.preventDefault();
      select(selected < 0 && key === "ArrowUp" ? -1 : selected + MOVES[key]);
    } else if (!list.hidden && key === "Escape") {
      event.preventDefault();
      close();
    } else if (selected >= 0 && (key === "Enter" || key === "Tab")) {
      event.preventDefault();
      accept(list.children[selected].dataset.word);
    }
  });

  async function loadWords() {
    if (words) return;
    const answer = await fetch(form.dataset.words);
    if (answer.ok) words = await answer.json();
  }

  text.addEventListener("focus", loadWords, { once: true });
  for (const name of ["blur", "click"]) text.addEventListener(name, close);
  text.addEventListener("scroll", () => { follow(); close(); });
  text.addEventListener("input", (event) => {
    isTouched = true;
    showLines();
    checkSoon();
    if (event.inputType === "insertText" && event.data?.length === 1) {
      open(false);
    } else close();
  });
  form.addEventListener("change", ({ target }) => {
    if (target !== text) { isTouched = true; checkSoon(0); }
  });
  form.elements.name?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("[data-save]"));
  });

  form.querySelector("[data-scriptless]").hidden = true;
  frame.classList.add("scripted");
  lines.hidden = false;
  text.setAttribute("aria-autocomplete", "list");
  text.setAttribute("aria-controls", list.id);
  text.setAttribute("aria-haspopup", "listbox");
  new ResizeObserver(follow).observe(text);
  showLines();
  checkSoon(0);
})();
