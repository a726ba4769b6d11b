// SPDX-License-Identifier: Apache-2.0
//
// Builds the dashboard: src/ -> dist/ (or --out DIR), with esbuild only.
//
//   dist/index.html            the shell; names the hashed files, holds no inline script or style
//   dist/assets/NAME-HASH.*    immutable: their name changes when their bytes do
//
// The chart library is split off, so that the first load stays small; `npm run build` fails when it
// grows beyond BUDGET, because a limit that nobody measures is a wish.
import { build, context } from "esbuild";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const flag = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};
const watch = process.argv.includes("--watch");
const out = resolve(flag("--out") ?? join(here, "dist"));
const BUDGET = 100 * 1024;

const options = {
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx", boot: "src/boot.ts", style: "src/style/index.css" },
  outdir: join(out, "assets"),
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2021", "chrome100", "firefox100", "safari15"],
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: !watch,
  sourcemap: watch ? "inline" : false,
  metafile: true,
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".svg": "file" },
  logLevel: "warning",
};

/** The output file of one entry point, as a URL path. */
function urlOf(meta, entry) {
  const found = Object.entries(meta.outputs).find(([, info]) => info.entryPoint === entry);
  if (!found) throw new Error(`build: no output for ${entry}`);
  return "/" + relative(out, resolve(here, found[0])).split("\\").join("/");
}

function writeIndex(meta) {
  const names = {
    app: urlOf(meta, "src/main.tsx"),
    boot: urlOf(meta, "src/boot.ts"),
    style: urlOf(meta, "src/style/index.css"),
    icon: iconUrl,
  };
  const html = readFileSync(join(here, "src/index.html"), "utf8").replace(/%(\w+)%/g, (_, key) => names[key]);
  writeFileSync(join(out, "index.html"), html);
  return [join(out, "index.html"), ...[names.app, names.boot, names.style].map((url) => join(out, url))];
}

/** What the first page load transfers: the shell, its entries and everything they import statically. */
function firstLoad(meta, files) {
  const seen = new Set(files);
  const queue = [...files];
  while (queue.length) {
    const info = meta.outputs[relative(here, queue.pop())];
    for (const { path, kind } of info?.imports ?? []) {
      const file = resolve(here, path);
      if (kind === "import-statement" && !seen.has(file)) {
        seen.add(file);
        queue.push(file);
      }
    }
  }
  return [...seen].reduce((sum, file) => sum + brotliCompressSync(readFileSync(file)).length, 0);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, "assets"), { recursive: true });

// The icon is copied by hand: nothing imports it but the shell.
const { createHash } = await import("node:crypto");
const icon = readFileSync(join(here, "src/icon.svg"));
const iconUrl = `/assets/icon-${createHash("sha256").update(icon).digest("hex").slice(0, 8)}.svg`;
writeFileSync(join(out, iconUrl), icon);

if (watch) {
  const rewrite = { name: "index", setup: (b) => b.onEnd((r) => void (r.metafile && writeIndex(r.metafile))) };
  await (await context({ ...options, plugins: [rewrite] })).watch();
  console.log(`watching src/, writing ${out}`);
} else {
  const { metafile } = await build(options);
  const bytes = firstLoad(metafile, writeIndex(metafile));
  if (flag("--meta")) writeFileSync(flag("--meta"), JSON.stringify(metafile));
  console.log(`dashboard: first load ${(bytes / 1024).toFixed(1)} KB compressed (budget ${BUDGET / 1024} KB)`);
  if (bytes > BUDGET) throw new Error("build: the first load is over its budget");
}
