// A screen on a wall: floors take turns, the screen stays awake, and the picture wanders a little, so that nothing burns in.
const TURN_MS = 15_000;
const WANDER_MS = 60_000;
const STEPS = [[0, 0], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]];

export function hang() {
  const floors = [...document.querySelectorAll(".floor")];
  let turn = 0;
  let step = 0;

  function next() {
    const shown = floors.filter((floor) => !floor.hidden);
    floors.forEach((floor) => floor.classList.toggle("resting", floor !== shown[turn % shown.length]));
    turn += 1;
  }

  function wander() {
    const [x, y] = STEPS[step % STEPS.length];
    document.documentElement.style.setProperty("--wander", `${x * 6}px ${y * 6}px`);
    step += 1;
  }

  async function stayAwake() {
    if (document.hidden) return;
    try {
      await navigator.wakeLock?.request("screen");
    } catch {
      // the screen's own settings decide
    }
  }

  next();
  wander();
  stayAwake();
  setInterval(next, TURN_MS);
  setInterval(wander, WANDER_MS);
  document.addEventListener("visibilitychange", stayAwake);
}
