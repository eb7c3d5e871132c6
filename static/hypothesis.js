// Starts the Hypothesis client on a page of the document. What it needs to
// know is asked for anew with each page: the grant in it is good for minutes,
// and the page itself may come from a cache.
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

  fetch(config)
    .then((answer) => (answer.ok ? answer.json().then(start) : undefined))
    .catch(() => console.warn("The Hypothesis client was not started."));
}
