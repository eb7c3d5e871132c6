// Starts the Hypothesis client on a page of the document. What it needs to
// know is asked for anew with each page: the grant in it is good for minutes,
// and the page itself may come from a cache. It looks for quotes in all the
// text of the page, so that words which are gone, and which our margin quotes,
// are moved out of its sight; else it would take the note for the passage.
"use strict";
{
  const { config, signIn } = document.currentScript.dataset;

  const start = (settings) => {
    const [service] = settings.services;
    const here = location.pathname + location.search;
    const onLoginRequest = () =>
      location.assign(`${signIn}?next=${encodeURIComponent(here)}`);
    window.hypothesisConfig = () => ({
      services: [{ ...service, onLoginRequest, onSignupRequest: onLoginRequest }],
    });
    const told = document.createElement("script");
    told.type = "application/json";
    told.className = "js-hypothesis-config";
    told.textContent = JSON.stringify(settings);
    const boot = document.createElement("script");
    boot.src = `${settings.assetRoot}build/boot.js`;
    document.head.append(told, boot);
  };

  for (const words of document.querySelectorAll(".margin .old-words")) {
    words.attachShadow({ mode: "open" }).append(...words.childNodes);
  }
  fetch(config)
    .then((answer) => (answer.ok ? answer.json().then(start) : undefined))
    .catch(() => console.warn("The Hypothesis client was not started."));
}
