// Live pages: what others write meanwhile is counted in one quiet line, and
// shown when the reader asks for it. What is half written stays as it is.
"use strict";
const NEW = { "thread.opened": "thread", "decision.recorded": "decision" };
const PLURALS = { reply: "replies" };
const SKIPPED = "hx-morph-skip";
const line = find("[data-live]");
const own = new Set();
let news = [];
let known = new Set();

function nameNews(type, told) {
  if (type === "reset") return "much";
  if (type !== "annotation.created") return NEW[type] ?? "change";
  return told.threads.length ? "reply" : "remark";
}

function sayNews([name, count]) {
  if (name === "much") return "much has changed";
  const noun = count > 1 ? PLURALS[name] ?? `${name}s` : name;
  return name === "change" ? `${count} ${noun}` : `${count} new ${noun}`;
}

function showNews() {
  const counts = {};
  for (const { name } of news) counts[name] = (counts[name] ?? 0) + 1;
  const parts = Object.entries(counts).map(sayNews);
  const text = new Intl.ListFormat("en").format(parts);
  find("[data-live-news]").textContent = text && `${text} ·`;
  find("[data-live-show]").hidden = !text;
  line.classList.toggle("has-news", Boolean(text));
}

document.addEventListener("htmx:sse:after:message", ({ detail }) => {
  const { event, data, id } = detail.message;
  const wanted = line.dataset.liveNouns?.split(" ");
  const noun = event.split(".")[0];
  if (event !== "reset" && wanted && !wanted.includes(noun)) return;
  const seq = Number(id);
  if (own.has(seq)) return;
  // what opens a thread is told of first as an annotation
  if (event === "thread.opened") news = news.filter((n) => n.seq !== seq - 1);
  news.push({ seq, name: nameNews(event, JSON.parse(data)) });
  showNews();
});

// what was changed on this page is shown by the answer, and is no news
document.addEventListener("htmx:after:request", ({ detail }) => {
  const told = detail.ctx.response?.headers.get("Review-Entries");
  if (!told) return;
  told.split(" ").forEach((seq) => own.add(Number(seq)));
  news = news.filter(({ seq }) => !own.has(seq));
  showNews();
});

function isDraft(form) {
  return form.contains(document.activeElement) ||
    [...form.elements].some((one) =>
      (one.defaultValue ?? one.value) !== one.value ||
      (one.defaultChecked ?? one.checked) !== one.checked);
}

document.addEventListener("htmx:before:swap", () => {
  known = new Set(all(".post[id]").map((post) => post.id));
  for (const form of all("main form")) {
    form.toggleAttribute(SKIPPED, isDraft(form));
  }
});

document.addEventListener("htmx:after:swap", ({ detail }) => {
  if (!detail.ctx.sourceElement.matches("[data-live-show]")) return;
  const head = Number(find("[data-head]").dataset.head);
  news = news.filter(({ seq }) => seq > head);
  showNews();
  for (const one of all("main [data-scripted]")) one.hidden = false;
  const fresh = all(".post[id]").filter((post) => !known.has(post.id));
  for (const post of fresh) {
    post.classList.add("is-new");
    post.tabIndex = -1;
  }
  (fresh[0] ?? find("#main")).focus();
});

// htmx may have begun before its extension was there, or begin after this: the
// stream is named when both are there, and begins once.
line.setAttribute("hx-sse:connect", line.dataset.live);
if (find("[data-live-show][data-htmx-powered]")) htmx.process(line);
