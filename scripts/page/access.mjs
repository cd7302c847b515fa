// Whether everybody can use a page: the rules of axe-core, and a walk over it with the keyboard alone.
import { fail } from "./browser.mjs";

// The widths of a desk and of a telephone.
export const SIZES = [[1100, 1000], [390, 844]];

// Everything that a person can do something with, in the order of the document.
const ACTIONS = `[...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }))`;

// What axe-core says against a page, in light and dark and at each size. It is evaluated through the browser's protocol, which the
// page's own policy for scripts does not see.
export async function audit({ run, size, scheme }, axe, what) {
  for (const [width, height] of SIZES) {
    await size(width, height);
    for (const value of ["light", "dark"]) {
      await scheme(value);
      await run(`if (!window.axe) { ${axe}\n } true`);
      const said = await run(`axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
        .then(({ violations, passes }) => ({ passes: passes.length, violations: violations.map(({ id, nodes }) => id + ": " + nodes.slice(0, 3).map((node) => node.target + " " + node.failureSummary).join("; ")) }))`);
      if (said.violations.length > 0 || said.passes === 0) fail(`${what}, ${width} wide, ${value}: ${said.violations.join("\n")}`);
      const wider = await run("document.documentElement.scrollWidth - document.documentElement.clientWidth");
      if (wider > 0) fail(`${what}, ${width} wide: the page itself scrolls sideways by ${wider}`);
    }
  }
  await size(...SIZES[0]);
  await scheme("light");
}

// Goes over a page with Tab: the skip link is first and works, everything is reached in its order, and where one is can be seen.
export async function walk({ run, press }, what) {
  await run("document.activeElement?.blur(); window.scrollTo(0, 0)");
  await run("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')");
  await run(`window.wanted = ${ACTIONS}; true`);
  const count = await run("wanted.length");
  const reached = [];
  for (let step = 0; step < count; step += 1) {
    await press("Tab");
    const at = await run(`(() => {
      const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
      return { at: wanted.indexOf(one), name: one.outerHTML.slice(0, 90), skip: one.matches("a.skip"),
        seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        inside: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth };
    })()`);
    if (at.at !== step) fail(`${what}: Tab number ${step + 1} leads to ${at.name}`);
    if (!at.seen || !at.inside) fail(`${what}: where one is cannot be seen: ${at.name}`);
    if (step === 0 && !at.skip) fail(`${what}: the first is not the way to the content`);
    reached.push(at.name);
  }
  if (count === 0) fail(`${what}: nothing to reach`);
  // The skip link leads past what every page has.
  await run("wanted[0].focus()");
  await press("Enter");
  await press("Tab");
  if (await run("!document.getElementById('main').contains(document.activeElement) && document.querySelectorAll('main a, main button, main input, main [tabindex]').length > 0")) {
    fail(`${what}: after the skip link Tab is not in the content`);
  }
  return reached.length;
}

// Presses Tab until something is reached, as somebody without a mouse does.
export async function reach({ run, press }, selector) {
  for (let step = 0; step < 400; step += 1) {
    if (await run(`document.activeElement?.matches(${JSON.stringify(selector)})`)) return;
    await press("Tab");
  }
  fail(`the keyboard does not reach ${selector}`);
}
