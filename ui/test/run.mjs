// SPDX-License-Identifier: Apache-2.0
//
// Bundles every test/*.test.ts with esbuild and runs it with Node's own test runner (Node 18 has no
// TypeScript). A few browser names that the modules touch at load are set up first.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), "muelle-ui-test-"));
const files = readdirSync(here).filter((name) => name.endsWith(".test.ts"));

try {
  await build({
    absWorkingDir: here,
    entryPoints: files,
    outdir: out,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node18",
    jsx: "automatic",
    jsxImportSource: "preact",
    inject: [join(here, "browser.ts")],
    define: { UI_ROOT: JSON.stringify(join(here, "..")) },
    logLevel: "warning",
  });
  const tests = files.map((name) => join(out, name.replace(/ts$/, "mjs")));
  const reporter = process.argv.includes("--tap") ? ["--test-reporter=tap"] : [];
  process.exitCode = spawnSync(process.execPath, [...reporter, "--test", ...tests], { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
