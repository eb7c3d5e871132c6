// Small helps for a page that works without them: keys, theme, quoting a
// selected passage. It holds no state: what it needs stands in data-
// attributes of the page, what a reader chose stands in localStorage.
"use strict";

const root = document.documentElement;
const find = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const seen = (element) => element.getClientRects().length > 0;

function recall(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

function remember(name, value) {
  try { localStorage.setItem(name, value); } catch { /* private mode */ }
}

// Theme: this file is loaded before the body, so nothing flashes.

const THEMES = { auto: "light", light: "dark", dark: "auto" };

function setTheme(name) {
  if (name === "auto") root.removeAttribute("data-theme");
  else root.dataset.theme = name;
  for (const button of all("[data-theme-switch]")) {
    button.hidden = false;
    find("[data-theme-name]", button).textContent = name;
  }
}

const currentTheme = () => root.dataset.theme ?? "auto";

// Keys: an element says its own key by data-key="." or data-key="g h".

const keysOn = () => recall("keys") !== "off";

function isTyping(target) {
  return target.closest?.("input:not([type=checkbox], [type=radio])," +
    "textarea, select, [contenteditable]") != null;
}

function moveRow(step) {
  const rows = all("[data-row]").filter(seen);
  const last = rows.length - 1;
  const next = rows.indexOf(document.activeElement) + step;
  rows[Math.max(0, Math.min(last, next))]?.focus();
}

function showKeys() {
  const dialog = find("#keys");
  const list = find("dl", dialog);
  const lines = all("[data-key]").filter(seen).map((element) => [
    element.dataset.key,
    element.dataset.keyLabel ?? element.textContent.trim(),
  ]);
  if (find("[data-row]")) lines.push(["j k", "next, previous row"], ["o", "open the row"]);
  list.replaceChildren(...lines.flatMap(([key, label]) => {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.append(...key.split(" ").flatMap((part) => {
      const kbd = document.createElement("kbd");
      kbd.textContent = part;
      return [kbd, " "];
    }));
    dd.textContent = label;
    return [dt, dd];
  }));
  find("[data-keys-switch]", dialog).checked = keysOn();
  dialog.showModal();
}

function press(key) {
  const element = all("[data-key]").find(
    (one) => one.dataset.key === key && seen(one) && !one.disabled);
  if (!element) return false;
  if (element.matches("input, textarea, select")) element.focus();
  else element.click();
  return true;
}

function isPrefix(key) {
  return all("[data-key]").some((one) => one.dataset.key.startsWith(key + " "));
}

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    target.closest("form[data-send]")?.requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(target) || find("dialog[open]") || !keysOn()) return;
  const first = root.dataset.keyFirst;
  delete root.dataset.keyFirst;
  const done =
    (first && press(`${first} ${key}`)) ||
    (key === "?" && (showKeys(), true)) ||
    (key === "j" && (moveRow(1), true)) ||
    (key === "k" && (moveRow(-1), true)) ||
    (key === "o" && target.matches("[data-row]") && (target.click(), true)) ||
    press(key);
  if (done) event.preventDefault();
  else if (isPrefix(key)) root.dataset.keyFirst = key;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches("[data-theme-switch]")) {
    const next = THEMES[currentTheme()];
    remember("theme", next);
    setTheme(next);
  } else if (button?.matches("[data-keys-show]")) showKeys();
});

document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-keys-switch]")) remember("keys", target.checked ? "on" : "off");
  if (target.matches("[data-submit]")) target.form.requestSubmit();
});

// Selection: offers links that carry the quote. Offsets count code points
// of the section's text, as the annotation model wants them.

document.addEventListener("selectionchange", () => {
  const offer = find("[data-selection]");
  const selection = document.getSelection();
  const quote = selection.toString().trim();
  const node = selection.anchorNode;
  const area = (node?.nodeType === 1 ? node : node?.parentElement)?.closest("[data-selectable]");
  offer.hidden = !area || !quote || !area.contains(selection.focusNode);
  if (offer.hidden) return;
  const range = selection.getRangeAt(0);
  const section = node.parentElement.closest("[data-section]") ?? area;
  const before = range.cloneRange();
  before.setStart(section, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const start = [...before.toString()].length;
  for (const link of all("a", offer)) {
    const url = new URL(area.dataset.selectable, location.href);
    url.searchParams.set("kind", link.dataset.kind);
    url.searchParams.set("quote", [...quote].slice(0, 1000).join(""));
    url.searchParams.set("start", start);
    if (section.dataset.section) url.searchParams.set("section", section.dataset.section);
    link.href = url;
  }
  const box = range.getBoundingClientRect();
  offer.style.top = `${box.bottom + scrollY + 6}px`;
  offer.style.left = `${Math.max(8, Math.min(box.left, innerWidth - offer.offsetWidth - 8)) + scrollX}px`;
});

// The current line of a listing stays in its own scrolled region.

function showCurrent() {
  for (const line of all("[data-scroll] [aria-current]")) {
    const region = line.closest("[data-scroll]");
    const top = line.offsetTop - region.offsetTop;
    const inside = top >= region.scrollTop && top + line.offsetHeight <= region.scrollTop + region.clientHeight;
    if (!inside) region.scrollTop = top - region.clientHeight / 2;
  }
}

document.addEventListener("htmx:after:swap", showCurrent);
document.addEventListener("DOMContentLoaded", () => {
  setTheme(currentTheme());
  for (const button of all("[data-keys-show]")) button.hidden = false;
  showCurrent();
});
if (recall("theme") in THEMES) setTheme(recall("theme"));
