// SPDX-License-Identifier: Apache-2.0
//
// The dashboard by https: the browser takes the link, the cookie is Secure, and the live stream comes over HTTP/2.
import assert from "node:assert/strict";
import test from "node:test";
import { launch } from "./browser.mjs";
import { open, rowOf } from "./session.mjs";
import { startTls } from "./target.mjs";

test("the dashboard by https", { timeout: 120_000 }, async (t) => {
  const target = await startTls();
  if (!target) return t.skip("the mock has no TLS");
  const browser = await launch();
  try {
    // The development authority is not in the browser's list here; what it issues is checked in tests/integration.
    const { page, complaints, close } = await open(browser, target, "/", { ignoreHTTPSErrors: true });
    const [cookie] = await page.context().cookies();
    assert.equal(cookie.name, "muelle_session");
    assert.ok(cookie.secure && cookie.httpOnly && cookie.sameSite === "Strict");
    const protocol = await page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);
    assert.equal(protocol, "h2");
    // Figures move: they are the stream's.
    await rowOf(page, "web").locator(".spark .line").first().waitFor({ state: "attached" });
    // What changes something: the origin is https.
    await page.evaluate(async () => {
      const answer = await fetch("/api/v1/projects/hello/services/web/restart", { method: "POST" });
      if (!answer.ok) throw new Error(await answer.text());
    });
    assert.deepEqual(complaints, []);
    await close();
  } finally {
    await browser.close();
    await target.stop();
  }
});
