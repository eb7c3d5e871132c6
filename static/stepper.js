// A step may be named in the address's fragment: /runs/ID#step=17. The
// fragment never reaches the server, so it is moved to the query here.
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
