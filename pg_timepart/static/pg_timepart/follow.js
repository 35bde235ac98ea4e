"use strict";
/* Follows a run to its end without reloading the page; without JavaScript the page refreshes. */
(function () {
  const WAIT = 1000;
  async function look() {
    const here = document.getElementById("timepart-progress");
    try {
      const answer = await fetch(window.location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const there = page.getElementById("timepart-progress");
      if (answer.ok && !there) {
        window.location.reload(); /* signed out meanwhile */
        return;
      }
      if (answer.ok && there.innerHTML !== here.innerHTML) {
        here.replaceChildren(...there.childNodes);
        here.dataset.ended = there.dataset.ended;
      }
    } catch (error) {
      console.warn("timepart: the run could not be looked at", error);
    }
    if (here.dataset.ended !== "yes") {
      window.setTimeout(look, WAIT);
    }
  }
  window.setTimeout(look, WAIT);
})();
