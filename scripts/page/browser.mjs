// A browser that is spoken to over a pipe, with what a person does to a page: look, press keys, wait.
import { spawn } from "node:child_process";
import { join } from "node:path";

export const fail = (why) => { throw new Error(why); };
export const sleep = (time) => new Promise((done) => setTimeout(done, time));

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-dev-shm-usage", "--disable-sync", "--force-color-profile=srgb", "--remote-debugging-pipe"];
const KEYS = {
  Tab: { code: "Tab", windowsVirtualKeyCode: 9 },
  Enter: { code: "Enter", windowsVirtualKeyCode: 13, text: "\r" },
  " ": { code: "Space", windowsVirtualKeyCode: 32, text: " " },
};

// Starts Chromium with one tab. `children` are the processes to end.
export async function browse(place, children) {
  const child = spawn("chromium", [...FLAGS, `--user-data-dir=${join(place, "profile")}`, "about:blank"],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  children.push(child);
  const [waiting, heard] = [new Map(), []];
  let [number, buffer] = [0, ""];
  child.stdio[4].on("data", (data) => {
    buffer += data;
    for (let end = buffer.indexOf("\0"); end >= 0; end = buffer.indexOf("\0")) {
      const message = JSON.parse(buffer.slice(0, end));
      buffer = buffer.slice(end + 1);
      const known = waiting.get(message.id);
      if (known) known(message); else heard.push(message);
    }
  });
  const send = (method, params = {}, sessionId) => new Promise((done, no) => {
    number += 1;
    waiting.set(number, (message) => (message.error ? no(new Error(`${method}: ${message.error.message}`)) : done(message.result)));
    child.stdio[3].write(`${JSON.stringify({ id: number, method, params, sessionId })}\0`);
  });
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const tab = (method, params) => send(method, params, sessionId);
  await Promise.all(["Page", "Runtime", "Log", "Network"].map((name) => tab(`${name}.enable`)));

  const run = async (code) => {
    const { result, exceptionDetails } = await tab("Runtime.evaluate", { expression: code, awaitPromise: true, returnByValue: true });
    return exceptionDetails ? fail(`${code.slice(0, 200)}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`) : result.value;
  };
  const until = async (code, what) => {
    for (let tries = 0; tries < 300; tries += 1) {
      if (await Promise.race([run(code).catch(() => false), sleep(3000)])) return;
      await sleep(100);
    }
    fail(`never happened: ${what}`);
  };
  const press = async (key, modifiers = 0) => {
    await tab("Input.dispatchKeyEvent", { type: KEYS[key].text ? "keyDown" : "rawKeyDown", key, modifiers, ...KEYS[key] });
    await tab("Input.dispatchKeyEvent", { type: "keyUp", key, modifiers, ...KEYS[key] });
  };
  const type = (text) => tab("Input.insertText", { text });
  const size = (width, height) => tab("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
  const scheme = async (value) => {
    await tab("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
    await sleep(100);
  };
  return { heard, tab, run, until, press, type, size, scheme };
}
