// Looks at the page in a real browser: signs in, watches builds live, drives every view on builds made for it, takes pictures in
// light and dark; axe-core (by npm, into target/) and a walk with the keyboard alone say whether everybody can use it.
// Usage: node scripts/page.mjs [PRAXIS] [--no-pictures]. Wants chromium and busybox-static.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { SIZES, audit, reach, walk } from "./page/access.mjs";
import { browse, fail, sleep } from "./page/browser.mjs";
import { contexts } from "./page/contexts.mjs";

const top = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const options = process.argv.slice(2).filter((one) => one.startsWith("--"));
const praxis = resolve(process.argv.slice(2).find((one) => !one.startsWith("--")) ?? join(top, "target/release/praxis"));
const place = mkdtempSync(join(tmpdir(), "page-"));
const token = "page-0123456789abcdefghijklmn";
const environment = { ...process.env, PRAXIS_ROOT: join(place, "store"), PRAXIS_KEY_PASSWORD: "page" };
const children = [];
const AXE = "4.11.0";

function axe() {
  const home = join(top, "target/axe", AXE);
  const file = join(home, "node_modules/axe-core/axe.min.js");
  if (!existsSync(file)) {
    execFileSync("npm", ["install", "--prefix", home, "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", `axe-core@${AXE}`], { stdio: "inherit" });
  }
  return readFileSync(file, "utf8");
}

const command = (...words) => execFileSync(praxis, words, { env: environment, cwd: place, stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });

async function server() {
  writeFileSync(join(place, "tokens"), `page guarded ${token}\n`, { mode: 0o600 });
  const child = spawn(praxis, ["serve", "--http", "127.0.0.1:0", "--tokens", join(place, "tokens"), "--context-root", join(place, "ctx"),
    "--verify-policy", join(place, "policy")], { env: environment, stdio: ["ignore", "inherit", "pipe"] });
  children.push(child);
  return new Promise((done, no) => {
    let said = "";
    child.on("exit", () => no(new Error(`the server ended: ${said}`)));
    child.stderr.on("data", (text) => {
      said += text;
      const found = /listening on (http:\S+)/.exec(said);
      if (found) done(found[1]);
    });
  });
}

async function main() {
  contexts(join(place, "ctx"));
  const rules = axe();
  // Two keys: the server believes the first.
  mkdirSync(join(place, "policy"));
  for (const name of ["team", "stranger"]) command("key", "generate", "--output-key-prefix", join(place, "policy", name));
  writeFileSync(join(place, "policy/praxis.toml"), '[verify]\nkeys = ["team.pub"]\npredicates = ["provenance", "spdx"]\n');

  const url = await server();
  const tab = await browse(place, children);
  const { heard, run, until, press, type, size, scheme } = tab;
  const ok = (what) => console.log(`ok: ${what}`);
  const holds = async (code, what) => {
    if (!await run(`Boolean(${code})`)) fail(`not so: ${what}`);
    ok(what);
  };
  const go = async (path) => {
    await tab.tab("Page.navigate", { url: url + path });
    const [page, fragment] = path.split("#");
    await until(`document.readyState === "complete" && location.pathname + location.search === ${JSON.stringify(page)} && location.hash === ${JSON.stringify(fragment ? `#${fragment}` : "")}`, path);
  };
  const everybody = async (what) => {
    await audit(tab, rules, what);
    ok(`${what}: axe-core finds nothing, light and dark, at ${SIZES.map(([width]) => width).join(" and ")}; ${await walk(tab, what)} stops with Tab, each to be seen`);
  };
  const picture = async (name) => {
    if (options.includes("--no-pictures")) return;
    await run("document.activeElement?.blur()");
    const tall = await run("document.body.scrollHeight");
    await size(SIZES[0][0], Math.min(SIZES[0][1], tall + 24));
    for (const value of ["light", "dark"]) {
      await scheme(value);
      const { data } = await tab.tab("Page.captureScreenshot", { format: "png" });
      writeFileSync(join(top, `docs/page-${name}-${value}.png`), Buffer.from(data, "base64"));
    }
    await scheme("light");
    await size(...SIZES[0]);
  };
  const begin = async (wanted) => {
    const begun = await fetch(`${url}/v1/builds`, { method: "POST", body: JSON.stringify(wanted),
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } });
    const { build, error } = await begun.json();
    return build ?? fail(error.message);
  };
  const ended = async (build) => {
    for (let tries = 0; tries < 600; tries += 1) {
      const answer = await fetch(`${url}/v1/builds/${build}`, { headers: { authorization: `Bearer ${token}` } });
      const { status } = (await answer.json()).builds[0];
      if (status !== "running" && status !== "waiting") return status;
      await sleep(100);
    }
    return fail(`${build} does not end`);
  };
  const built = async (wanted) => {
    const build = await begin(wanted);
    return { build, status: await ended(build) };
  };
  await size(...SIZES[0]);

  // What looks for faults finds one that is planted.
  await go("/login");
  await run(`document.querySelector("main").insertAdjacentHTML("beforeend", "<img src='/page/none'>"); true`);
  const found = await audit(tab, rules, "planted").catch(({ message }) => message);
  if (!found?.includes("image-alt")) fail(`axe-core does not find a picture without words: ${found}`);

  // The way in, with the keyboard alone.
  await go("/login");
  await everybody("the way in");
  await go("/login");
  await type("no-client-has-this-token");
  await press("Enter");
  await until("document.querySelector('[role=alert]')", "a wrong token is refused");
  await everybody("the way in, refused");
  await go("/login");
  await type(token);
  await press("Enter");
  await until(`location.pathname === "/" && document.querySelector("h1")?.textContent === "Builds"`, "signed in");
  if (await run("document.cookie")) fail("a script sees the cookie");
  await everybody("no builds yet");
  await go("/ledger");
  await everybody("no ledger yet");

  // A build watched live.
  const live = await begin({ context: "shop", tags: ["shop:1"] });
  await go("/");
  await until(`document.querySelector("td .status")?.textContent === "running"`, "it is in the list");
  await reach(tab, `a[href="/builds/${live}"]`);
  await press("Enter");
  await until(`location.pathname === "/builds/${live}"`, "it is opened with Enter");
  await until(`document.querySelector(".log")?.textContent.includes("compiled cart")`, "the log grows while the build runs");
  await holds(`document.querySelector("h1 .status").textContent === "running"`, "it still runs");
  await until(`document.querySelector("#graph svg").textContent.includes("2.")`, "bars grow while steps run");
  await picture("live");
  await until(`document.querySelector("h1 .status")?.textContent === "done"`, "the page says by itself that the build is done");
  await picture("build");
  await everybody("a build that is done");
  const checks = {
    "findings stand on lines": `document.querySelectorAll(".source li .finding").length > 0`,
    "the time line says what waited": `document.querySelectorAll(".timeline .need").length > 0 && document.querySelectorAll(".timeline .wait").length > 0`,
    "one h1, a title, a language": `document.querySelectorAll("h1").length === 1 && document.title && document.documentElement.lang`,
    "what scrolls can be reached with the keyboard": `[...document.querySelectorAll(".wide, .log")].every((one) => one.tabIndex === 0)`,
  };
  for (const [what, code] of Object.entries(checks)) await holds(code, what);
  await run(`document.getElementById("dockerfile").scrollIntoView()`);
  await picture("dockerfile");

  // The same once more: what was cached.
  const again = await built({ context: "shop", tags: ["shop:1"] });
  await go(`/builds/${again.build}`);
  await holds(`[...document.querySelectorAll(".state .status")].every((one) => one.textContent === "cached")`, "the second time every step was cached");
  await holds(`document.querySelectorAll(".timeline .bar.cached").length === document.querySelectorAll("#steps + .wide tbody tr").length`, "the time line says so");

  // A failing one.
  const failed = await built({ context: "failing" });
  await go(`/builds/${failed.build}`);
  await holds(`document.querySelector("h1 .status").textContent === "failed" && document.querySelector("pre.bad[role=alert]").textContent.includes("3")`, "a failed build says why");
  await holds(`document.querySelector(".source li.failed").textContent.includes("exit 3")`, "the line that failed is marked");
  await holds(`document.querySelector(".log").textContent.includes("about to fail")`, "its log is there");
  await picture("failed");
  await everybody("a failed build");

  // A long log.
  const long = await built({ context: "chatty" });
  await go(`/builds/${long.build}`);
  await holds(`document.querySelector(".log").textContent.includes("line 10000 of")`, "the end of 10,000 lines is there");
  await reach(tab, "#search");
  await type("line 77");
  await press("Enter");
  await until("location.search === '?search=line+77'", "searched with the keyboard");
  // 77, 770 to 779, 7700 to 7799.
  await holds(`document.querySelector("form.search [role=status]").textContent === "111 lines"`, "a search counts the lines in all of the log");
  await holds(`document.querySelector(".log").textContent.trim().split("\\n").length === 111`, "and shows them");
  await everybody("a search in a long log");

  // Texts that want to be more than text.
  const hostile = await built({ context: "hostile", tags: ["hostile:1"], labels: { "<b>name</b>": "<img src=x onerror=alert(1)>" } });
  if (hostile.status !== "done") fail(`hostile: ${hostile.status}`);
  for (const path of [`/builds/${hostile.build}`, "/image?name=hostile%3A1", "/", "/ledger"]) {
    await go(path);
    await holds(`!document.querySelector("main script, main img, main b, main i, main [onerror], main [style]")`, `nothing hostile became an element: ${path.split("?")[0].split("/")[1] || "builds"}`);
  }
  await go("/image?name=hostile%3A1");
  await holds(`document.querySelector("main").textContent.includes("<img src=x onerror=alert(1)>")`, "labels are shown as they are");

  // An image: layers, what it is made of, where it comes from, who signed it.
  await go("/image?name=shop%3A1");
  await holds(`document.querySelectorAll("#layers ~ details").length >= 3`, "layers are listed");
  await reach(tab, "main details summary");
  await press(" ");
  await until(`document.querySelector("main details").open && document.querySelectorAll("main details[open] .files li").length > 0`, "a layer is opened with the space bar");
  await holds(`[...document.querySelectorAll("#sbom ~ .wide td")].some((one) => one.textContent === "libcart")`, "the SBOM is a table");
  await holds(`document.getElementById("signed").closest("main").textContent.includes("no signature")`, "an image without a signature says so");
  await everybody("an image nobody signed");
  command("sign", "--key", join(place, "policy/team.key"), "shop:1");
  command("attest", "--key", join(place, "policy/team.key"), "--type", "provenance", "--type", "spdx", "shop:1");
  command("sign", "--key", join(place, "policy/stranger.key"), "shop:1");
  await go("/image?name=shop%3A1");
  await holds(`document.querySelector(".verdict.good")`, "signed and attested by who is believed, it is verified");
  await holds(`[...document.querySelectorAll(".bundles td .status")].filter((one) => one.textContent === "believed").length === 3`, "each signature and statement that is believed says so");
  await holds(`[...document.querySelectorAll(".bundles tr")].some((one) => one.textContent.includes("not believed") && one.textContent.includes("key"))`, "one by a stranger is not believed, with the reason");
  await everybody("an image that is verified");
  await go("/image?name=shop%3A1");
  await run(`document.querySelector("main details").open = true`);
  await picture("image");
  await run(`document.getElementById("origin").scrollIntoView()`);
  await picture("verified");

  // The list, the ledger, what is not there.
  await go("/");
  await everybody("builds");
  await picture("builds");
  await go("/ledger");
  await holds(`document.querySelector("p.good") && document.querySelectorAll("tbody tr").length >= 5`, "the ledger is whole and has every build");
  await everybody("the ledger");
  await picture("ledger");
  await go("/builds/ffffffffffffffff");
  await everybody("a build that is not there");

  // Stopping one, and signing out, with the keyboard.
  const stopped = await begin({ context: "shop", no_cache: true });
  await go(`/builds/${stopped}`);
  await audit(tab, rules, "a build that runs");
  await reach(tab, `form[action$="/cancel"] button`);
  await press("Enter");
  await until(`document.querySelector("h1 .status")?.textContent === "cancelled"`, "a build is stopped with the keyboard, and the page says so by itself");
  ok("a build is stopped with the keyboard");
  await reach(tab, `form[action="/logout"] button`);
  await press("Enter");
  await until(`location.pathname === "/login"`, "signed out with the keyboard");

  const said = heard.filter(({ method, params }) => method === "Runtime.exceptionThrown" || (method === "Log.entryAdded" && params.entry.level === "error"));
  const other = said.map(({ params }) => params.entry?.text ?? params.exceptionDetails.text).filter((text) => !text.includes("404") && !text.includes("401"));
  if (other.length > 0) fail(`the browser complains: ${other.join("; ")}`);
  const foreign = heard.filter(({ method, params }) => method === "Network.requestWillBeSent" && !params.request.url.startsWith(url));
  if (foreign.length > 0) fail(`asked elsewhere: ${foreign[0].params.request.url}`);
  ok("nothing was asked elsewhere, and the browser has no complaint");
}

try {
  await main();
} catch (error) {
  console.error(`page: ${error.message}`);
  process.exitCode = 1;
} finally {
  children.forEach((child) => child.kill());
  await sleep(1000);
  rmSync(place, { recursive: true, force: true });
}
