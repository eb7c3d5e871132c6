// Small helps for reading mail: fold all quotations, go from mail to mail.
// app.js, which stands before, has the keys.
"use strict";
const QUOTES = ".mail details.quote";

function foldAll(folded) {
  for (const quote of all(QUOTES)) quote.open = !folded;
  for (const button of all("[data-fold]")) {
    button.setAttribute("aria-pressed", String(folded));
  }
}

function step(distance) {
  const mails = all("[data-mail]");
  const here = mails.indexOf(document.activeElement);
  // without one in focus: the first below the top of the window
  const below = mails.findIndex((one) => one.getBoundingClientRect().top > 1);
  const from = here >= 0 ? here + distance : below + Math.min(0, distance);
  const next = mails[Math.max(0, Math.min(mails.length - 1, from))];
  next?.closest(".mail-item").scrollIntoView();
  next?.focus({ preventScroll: true });
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-fold]");
  if (button) {
    const folded = button.getAttribute("aria-pressed") !== "true";
    foldAll(folded);
    stored("quotations", folded ? "folded" : "open");
  }
  const stepper = target.closest("[data-step]");
  if (stepper) step(Number(stepper.dataset.step));
});
foldAll(stored("quotations") === "folded");
