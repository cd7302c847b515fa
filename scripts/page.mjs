// Looks at the page in a real browser: signs in, watches a build live, takes pictures in light and dark, checks the DOM.
// Usage: node scripts/page.mjs [PRAXIS]. Wants chromium; needs no package of npm: it speaks to the browser over a pipe.
import { spawn } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const top = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const praxis = resolve(process.argv[2] ?? join(top, "target/release/praxis"));
const place = mkdtempSync(join(tmpdir(), "page-"));
const token = "page-0123456789abcdefghijklmn";
const children = [];

const fail = (why) => { throw new Error(why); };
const sleep = (time) => new Promise((done) => setTimeout(done, time));

// A base of one static program, and a context whose build takes some seconds and says hostile things.
mkdirSync(join(place, "ctx/app"), { recursive: true });
writeFileSync(join(place, "ctx/app/Dockerfile"), `# <script>alert(1)</script>
FROM scratch AS tools
ADD busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "for n in 1 2 3 4 5 6; do echo line $n '<img src=x onerror=alert(1)>'; /bin/busybox sleep 1; done"]

FROM scratch AS other
MAINTAINER somebody
ADD busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox sleep 2; echo other is done"]

FROM scratch
COPY --from=tools /bin/busybox /bin/tool
COPY --from=other /bin/busybox /bin/other
LABEL note="<b>bold</b>"
CMD ["/bin/tool"]
`);

async function server() {
  writeFileSync(join(place, "tokens"), `page guarded ${token}\n`, { mode: 0o600 });
  const child = spawn(praxis, ["serve", "--http", "127.0.0.1:0", "--tokens", join(place, "tokens"), "--context-root", join(place, "ctx")],
    { env: { ...process.env, PRAXIS_ROOT: join(place, "store") }, stdio: ["ignore", "inherit", "pipe"] });
  children.push(child);
  return new Promise((done, no) => {
    child.on("exit", () => no(new Error("the server ended")));
    child.stderr.on("data", (text) => {
      const found = /listening on (http:\S+)/.exec(text);
      if (found) done(found[1]);
    });
  });
}

function browser() {
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-dev-shm-usage", "--disable-sync", "--remote-debugging-pipe", `--user-data-dir=${join(place, "profile")}`, "about:blank"];
  const child = spawn("chromium", flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  children.push(child);
  const waiting = new Map();
  const heard = [];
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
  return { send, heard };
}

async function main() {
  const url = await server();
  const { send, heard } = browser();
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const tab = (method, params) => send(method, params, sessionId);
  await Promise.all(["Page", "Runtime", "Log", "Network"].map((name) => tab(`${name}.enable`)));
  const run = async (code) => {
    const { result, exceptionDetails } = await tab("Runtime.evaluate", { expression: code, awaitPromise: true, returnByValue: true });
    return exceptionDetails ? fail(`${code}: ${exceptionDetails.text}`) : result.value;
  };
  const until = async (code, what) => {
    for (let tries = 0; tries < 150; tries += 1) {
      if (await Promise.race([run(code).catch(() => false), sleep(3000)])) return;
      await sleep(200);
    }
    fail(`never happened: ${what}`);
  };
  const go = async (path) => {
    await tab("Page.navigate", { url: url + path });
    await until(`document.readyState === "complete" && location.pathname + location.search === ${JSON.stringify(path)}`, path);
  };
  const picture = async (name) => {
    for (const scheme of ["light", "dark"]) {
      await tab("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
      await sleep(150);
      const { data } = await tab("Page.captureScreenshot", { format: "png" });
      writeFileSync(join(top, `docs/page-${name}-${scheme}.png`), Buffer.from(data, "base64"));
    }
  };
  await tab("Emulation.setDeviceMetricsOverride", { width: 1100, height: 1000, deviceScaleFactor: 1, mobile: false });

  await go("/login");
  await run(`document.getElementById("token").value = ${JSON.stringify(token)}; document.forms[0].requestSubmit()`);
  await until(`location.pathname === "/" && document.querySelector("h1")?.textContent === "Builds"`, "signed in");
  if (await run("document.cookie")) fail("a script sees the cookie");

  const begun = await fetch(`${url}/v1/builds`, { method: "POST", body: JSON.stringify({ context: "app", tags: ["app:1"] }),
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } });
  const { build } = await begun.json();
  await go(`/builds/${build}`);
  await until(`document.querySelector(".log")?.textContent.includes("line 3")`, "the log grows while the build runs");
  if (await run(`document.querySelector("h1 .status").textContent`) !== "running") fail("it does not run any more");
  await picture("live");
  await until(`document.querySelector("h1 .status")?.textContent === "done"`, "the page says by itself that the build is done");
  await picture("build");
  const checks = {
    "nothing hostile became an element": `!document.querySelector("main script, main img, main b, main i")`,
    "findings stand on lines": `document.querySelectorAll(".source li .finding").length > 0`,
    "the time line says what waited": `document.querySelectorAll(".timeline .need").length > 0`,
    "every input has a label": `[...document.querySelectorAll("input")].every((one) => one.labels.length > 0)`,
    "every table has a head": `[...document.querySelectorAll("table")].every((one) => one.tHead)`,
    "one h1, a title, a language": `document.querySelectorAll("h1").length === 1 && document.title && document.documentElement.lang`,
    "no id is there twice": `new Set([...document.querySelectorAll("[id]")].map((one) => one.id)).size === document.querySelectorAll("[id]").length`,
    "what scrolls can be reached with the keyboard": `[...document.querySelectorAll(".wide, .log")].every((one) => one.tabIndex === 0)`,
  };
  for (const [what, code] of Object.entries(checks)) {
    if (!await run(`Boolean(${code})`)) fail(`not so: ${what}`);
    console.log(`ok: ${what}`);
  }
  await run(`document.getElementById("dockerfile").scrollIntoView()`);
  await picture("dockerfile");
  const image = await run(`document.querySelector(".facts a").getAttribute("href")`);
  await go(image);
  await run(`document.querySelector("details").open = true`);
  await picture("image");
  await go("/ledger");
  await picture("ledger");
  const said = heard.filter(({ method, params }) => method === "Runtime.exceptionThrown" || (method === "Log.entryAdded" && params.entry.level === "error"));
  const other = said.map(({ params }) => params.entry?.text ?? params.exceptionDetails.text).filter((text) => !text.includes("favicon") && !text.includes("404"));
  if (other.length > 0) fail(`the browser complains: ${other.join("; ")}`);
  const foreign = heard.filter(({ method, params }) => method === "Network.requestWillBeSent" && !params.request.url.startsWith(url));
  if (foreign.length > 0) fail(`asked elsewhere: ${foreign[0].params.request.url}`);
  console.log("ok: a build was watched live; nothing was asked elsewhere, and the browser has no complaint");
}

try {
  const busybox = spawn("cp", ["/bin/busybox", join(place, "ctx/app/busybox")], { stdio: "inherit" });
  await new Promise((done, no) => busybox.on("exit", (code) => (code === 0 ? done() : no(new Error("busybox-static is needed")))));
  await main();
} catch (error) {
  console.error(`page: ${error.message}`);
  process.exitCode = 1;
} finally {
  children.forEach((child) => child.kill());
  await sleep(1000);
  rmSync(place, { recursive: true, force: true });
}
