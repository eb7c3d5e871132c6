// Small helps for pages that work without them. What they need stands in
// data- attributes of the page, what a reader chose in localStorage.
"use strict";
const root = document.documentElement;
const find = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const seen = (selector) =>
  all(selector).filter((element) => element.getClientRects().length);

function stored(name, value) {
  try {
    if (value) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch { return null; } // storage is closed to us
}

// Theme. The file runs before the body is read, so nothing flashes.
const NEXT_THEME = { auto: "light", light: "dark", dark: "auto" };
const getTheme = () => root.dataset.theme ?? "auto";

function setTheme(name) {
  if (name === "auto") delete root.dataset.theme;
  else root.dataset.theme = name;
  for (const part of all("[data-theme-name]")) part.textContent = name;
}

// Keys. An element says its own: data-key="." or data-key="g h".
const WRITES = "textarea, select, [contenteditable], " +
  "input:not([type=checkbox], [type=radio])";

function press(key) { // a page's own come after those of all pages
  const element = seen(`[data-key="${CSS.escape(key)}"]`).at(-1);
  if (element?.matches(WRITES)) element.focus();
  else element?.click();
  return Boolean(element);
}

function moveRow(step) {
  const rows = seen("[data-row]");
  const next = rows.indexOf(document.activeElement) + step;
  rows[Math.max(0, Math.min(rows.length - 1, next))]?.focus();
}

function showKeys() {
  const lines = seen("[data-key]").map((one) =>
    [one.dataset.key, one.dataset.keyLabel ?? one.textContent.trim()]);
  find("#keys dl").replaceChildren(...lines.flatMap(([keys, label]) => {
    const term = document.createElement("dt");
    for (const key of keys.split(" ")) {
      const part = document.createElement("kbd");
      part.textContent = key;
      term.append(part, " ");
    }
    const text = document.createElement("dd");
    text.textContent = label;
    return [term, text];
  }));
  find("[data-keys-switch]").checked = stored("keys") !== "off";
  find("#keys").showModal();
}

const OWN_KEYS = {
  "?": showKeys,
  j: () => moveRow(1),
  k: () => moveRow(-1),
  o: (target) => target.closest("[data-row]")?.click(),
};

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  const chord = event.ctrlKey || event.metaKey;
  if (chord && key === "Enter") target.closest("[data-send]")?.requestSubmit();
  if (chord || event.altKey || stored("keys") === "off") return;
  if (target.closest(WRITES) || find("dialog[open]")) return;
  const first = root.dataset.firstKey;
  delete root.dataset.firstKey;
  if ((first && press(`${first} ${key}`)) || press(key)) {
    event.preventDefault();
  } else if (find(`[data-key^="${CSS.escape(key)} "]`)) {
    root.dataset.firstKey = key;
  } else if (Object.hasOwn(OWN_KEYS, key)) {
    event.preventDefault();
    OWN_KEYS[key](target);
  }
});

document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-keys-show]")) showKeys();
  if (target.closest("[data-theme-switch]")) {
    setTheme(NEXT_THEME[getTheme()]);
    stored("theme", getTheme());
  }
});

document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-submit]")) target.form.requestSubmit();
  if (!target.matches("[data-keys-switch]")) return;
  stored("keys", target.checked ? "on" : "off");
});

// Selection. Links carry the quote; offsets count code points of the text
// of the section, as the annotation model wants them.
document.addEventListener("selectionchange", () => {
  const offer = find("[data-selection]");
  const selection = document.getSelection();
  const range = selection.rangeCount ? selection.getRangeAt(0) : null;
  const within = range?.commonAncestorContainer;
  const element = within instanceof Element ? within : within?.parentElement;
  const area = element?.closest("[data-selectable]");
  const quote = [...(range ?? "").toString()].slice(0, 1000).join("");
  offer.hidden = !area || !quote.trim();
  if (offer.hidden) return;
  const section = element.closest("[data-section]") ?? area;
  const before = document.createRange();
  before.setStart(section, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const about = new URLSearchParams({
    section: section.dataset.section ?? "",
    start: [...before.toString()].length,
    quote,
  });
  for (const link of offer.children) {
    about.set("kind", link.dataset.kind);
    link.href = `${link.dataset.form ?? area.dataset.selectable}?${about}`;
  }
  const box = range.getBoundingClientRect();
  const left = Math.min(box.left, root.clientWidth - offer.offsetWidth - 8);
  offer.style.top = `${box.bottom + scrollY + 6}px`;
  offer.style.left = `${Math.max(8, left) + scrollX}px`;
});

// The current line of a listing stays in sight within its own region.
function showCurrent() {
  for (const line of all("[data-scroll] [aria-current]")) {
    const region = line.closest("[data-scroll]");
    const edge = region.getBoundingClientRect();
    const place = line.getBoundingClientRect().top - edge.top;
    const seenWhole = place >= 0 && place + line.offsetHeight <= edge.height;
    if (!seenWhole) region.scrollTop += place - edge.height / 2;
  }
}

document.addEventListener("htmx:after:swap", showCurrent);
document.addEventListener("DOMContentLoaded", () => {
  setTheme(getTheme());
  for (const one of all("[data-scripted]")) one.hidden = false;
  showCurrent();
});
if (stored("theme") in NEXT_THEME) setTheme(stored("theme"));
