// A running build goes on in the page; without this the page shows the same when it is loaded again.
"use strict";
const live = document.querySelector("[data-live]");
if (live) {
  const stream = new EventSource(live.dataset.live);
  const log = document.querySelector("[data-log]");
  const after = Number(live.dataset.after);
  let drawing = false;

  const set = (step, word) => {
    const cell = document.querySelector(`#step-${step + 1} .status`);
    if (cell) {
      cell.textContent = word;
      cell.className = `status ${word}`;
    }
  };
  const draw = async () => {
    if (drawing) return;
    drawing = true;
    const answer = await fetch(live.dataset.graph);
    if (answer.ok) {
      const picture = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
      if (picture.nodeName === "svg") document.getElementById("graph").replaceChildren(document.importNode(picture, true));
    }
    setTimeout(() => { drawing = false; }, 1000);
  };
  // Bars grow also when nothing happens.
  setInterval(draw, 1000);

  stream.onmessage = (message) => {
    if (Number(message.lastEventId) <= after) return;
    const told = JSON.parse(message.data);
    if (told.event === "planned" || told.event === "ended") {
      stream.close();
      location.reload();
    } else if (told.event === "started") {
      set(told.step, "running");
      draw();
    } else if (told.event === "finished") {
      set(told.step, told.cached ? "cached" : "done");
      draw();
    } else if (told.event === "failed") {
      set(told.step, "failed");
    } else if (told.event === "output" && log) {
      const below = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      log.append(`${told.text}\n`);
      if (below) log.scrollTop = log.scrollHeight;
    }
  };
}
