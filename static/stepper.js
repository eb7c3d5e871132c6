// Stepping through a run. A step may be named in the address's fragment:
// /runs/ID#step=17. The fragment never reaches the server, so it is moved to
// the query here.
"use strict";

function follow() {
  const named = /^#step=(\d{1,7})$/.exec(location.hash);
  if (!named || !document.querySelector("#run-view")) return;
  const url = new URL(location.href);
  if (url.searchParams.get("step") === named[1]) return;
  url.searchParams.set("step", named[1]);
  location.replace(url);
}

addEventListener("hashchange", follow);
follow();

// A key pressed while a step is being fetched would ask for the same step
// again, so it waits for its turn.
const waiting = [];
let isFetching = false;

function replay() {
  isFetching = false;
  const key = waiting.shift();
  if (!key) return;
  const event = new KeyboardEvent("keydown", { key, bubbles: true });
  document.body.dispatchEvent(event);
}

document.addEventListener("htmx:before:request", () => { isFetching = true; });
document.addEventListener("htmx:finally:request", replay);
document.addEventListener("keydown", (event) => {
  if (!isFetching || !".,[]".includes(event.key)) return;
  event.stopPropagation();
  if (!event.repeat && waiting.length < 9) waiting.push(event.key);
}, true);
