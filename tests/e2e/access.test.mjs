// SPDX-License-Identifier: Apache-2.0
//
// For everyone: axe finds nothing, the focus is always seen, nothing is wider than a phone.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { launch } from "./browser.mjs";
import { open } from "./session.mjs";
import { start } from "./target.mjs";

const PAGES = ["/", "/projects/hello/services/web", "/routes", "/events", "/logs", "/config", "/nosuch"];
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };
let browser, target;

before(async () => {
  target = await start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await target?.stop();
});

async function settle(page, path) {
  await page.goto(target.base + path);
  await page.locator("main h1, main .empty").first().waitFor();
  // What comes after the frame: configuration, routes, the first figures and log lines.
  await page.waitForTimeout(400);
}

async function axe(page, what) {
  const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]).analyze();
  const told = violations.map((v) => `${what}: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3)}`);
  assert.deepEqual(told, []);
}

for (const [name, options] of [["light", { colorScheme: "light" }], ["dark", { colorScheme: "dark" }], ["phone", PHONE], ["Spanish", { locale: "es-ES" }]]) {
  test(`axe finds nothing on any page: ${name}`, { timeout: 120_000 }, async () => {
    const { page, close } = await open(browser, target, "/", options);
    for (const path of PAGES) {
      await settle(page, path);
      await axe(page, `${name} ${path}`);
    }
    await close();
  });
}

test("axe finds nothing in what comes over the page", { timeout: 120_000 }, async () => {
  const { page, close } = await open(browser, target);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("web");
  await axe(page, "palette");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await page.locator("dialog[open]").waitFor();
  await axe(page, "help");
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.keyboard.press("r");
  await page.locator("dialog[open]").waitFor();
  await axe(page, "confirm");
  await page.keyboard.press("Escape");
  await page.locator(".services .menu button").first().click();
  await page.locator('[role="menu"]').waitFor();
  await axe(page, "menu");
  await close();
});

test("axe finds nothing on the login page", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(target.base);
  await page.locator(".login").waitFor();
  await axe(page, "login");
  await context.close();
});

test("wherever Tab goes, the focus is seen", { timeout: 120_000 }, async () => {
  const { page, close } = await open(browser, target);
  for (const path of ["/", "/projects/hello/services/web", "/logs"]) {
    await settle(page, path);
    const seen = new Set();
    for (let i = 0; i < 60; i += 1) {
      await page.keyboard.press("Tab");
      const focus = await page.evaluate(() => {
        const element = document.activeElement;
        if (!element || element === document.body) return null;
        const style = getComputedStyle(element);
        return { what: element.outerHTML.slice(0, 100), ok: parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none" };
      });
      if (!focus) break;
      assert.ok(focus.ok, `${path}: ${focus.what}`);
      seen.add(focus.what);
    }
    assert.ok(seen.size > 10, path);
  }
  await close();
});

test("nothing is wider than a phone", { timeout: 120_000 }, async () => {
  const { page, close } = await open(browser, target, "/", PHONE);
  for (const path of PAGES) {
    await settle(page, path);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${path} is ${width} px wide`);
  }
  await close();
});

test("with reduced motion nothing moves", async () => {
  const { page, close } = await open(browser, target, "/", { reducedMotion: "reduce" });
  const moving = await page.evaluate(() =>
    [...document.querySelectorAll("*")].filter((one) => getComputedStyle(one).transitionDuration.split(",").some((t) => parseFloat(t) > 0)).length,
  );
  assert.equal(moving, 0);
  await close();
});
