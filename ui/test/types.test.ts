// SPDX-License-Identifier: Apache-2.0
//
// esbuild only takes the types away: the strict check is a test of its own.
import test from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

declare const UI_ROOT: string;

test("the type checker, strict, finds nothing", { timeout: 120_000 }, () => {
  const tsc = join(UI_ROOT, "node_modules/typescript/bin/tsc");
  const done = spawnSync(process.execPath, [tsc, "--noEmit", "--pretty", "false", "-p", UI_ROOT], { encoding: "utf8" });

  assert.equal(done.status, 0, done.stdout + done.stderr);
});
