// SPDX-License-Identifier: Apache-2.0
//
// The house rules of the dashboard, as a test.
import test from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

declare const UI_ROOT: string;

function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesOf(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

const files = filesOf(join(UI_ROOT, "src")).map((path) => ({ name: relative(UI_ROOT, path), text: readFileSync(path, "utf8") }));
const css = files.filter((file) => file.name.endsWith(".css"));
const theme = css.find((file) => file.name.endsWith("theme.css"))!;

test("a component has at most 150 lines", () => {
  for (const { name, text } of files.filter((file) => file.name.endsWith(".tsx"))) {
    assert.ok(text.split("\n").length <= 151, name);
  }
});

test("every source says its licence first", () => {
  for (const { name, text } of files.filter((file) => /\.(tsx?|css)$/.test(file.name))) {
    assert.match(text.split("\n")[0]!, /SPDX-License-Identifier: Apache-2\.0/, name);
  }
});

test("colours stand in theme.css alone", () => {
  for (const { name, text } of files.filter((file) => /\.(css|tsx?)$/.test(file.name) && file !== theme)) {
    const used = text.match(/#[0-9a-f]{3,8}\b(?!-)|\b(?:rgba?|hsla?|oklch)\(/gi) ?? [];
    assert.deepEqual(used.filter((one) => !/^#(main|id)$/.test(one)), [], name);
  }
});

test("every custom property that is used is defined, and dark defines every colour that light does", () => {
  const defined = new Set([...theme.text.matchAll(/^\s*(--[\w-]+):/gm)].map((match) => match[1]!));
  for (const { name, text } of files) {
    for (const [, used] of text.matchAll(/var\((--[\w-]+)/g)) assert.ok(defined.has(used!), `${name}: ${used}`);
  }
  const [light, dark] = theme.text.split('[data-theme="dark"]');
  const colours = (text: string): string[] => [...text.matchAll(/^\s*(--[\w-]+):\s*#/gm)].map((match) => match[1]!).sort();
  assert.deepEqual(colours(dark!), colours(light!));
});

test("text has 4.5:1 or more against every surface it stands on, in both themes", () => {
  const parts = theme.text.split('[data-theme="dark"]');
  const channel = (value: number): number => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = (hex: string): number => {
    const [r, g, b] = [1, 3, 5].map((at) => channel(parseInt(hex.slice(at, at + 2), 16) / 255));
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const ratio = (a: string, b: string): number => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high! + 0.05) / (low! + 0.05);
  };
  for (const part of parts) {
    const value = (name: string): string => new RegExp(`${name}:\\s*(#[0-9a-f]{6})`).exec(part)![1]!;
    for (const text of ["--ink", "--ink-2", "--ink-3", "--accent", "--good", "--busy", "--bad", "--idle"]) {
      for (const surface of ["--paper", "--sheet", "--sunken", "--hover", "--chosen"]) {
        assert.ok(ratio(value(text), value(surface)) >= 4.5, `${text} on ${surface}: ${ratio(value(text), value(surface)).toFixed(2)}`);
      }
    }
    assert.ok(ratio(value("--accent-ink"), value("--accent")) >= 4.5);
    assert.ok(ratio(value("--paper"), value("--bad")) >= 4.5);
    assert.ok(ratio(value("--busy"), value("--busy-soft")) >= 4.5);
    assert.ok(ratio(value("--ink"), value("--bad-soft")) >= 4.5);
  }
});

test("nothing breaks a strict content policy", () => {
  const html = files.find((file) => file.name.endsWith("index.html"))!.text;
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)/);
  assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=/);
  for (const { name, text } of files) assert.doesNotMatch(text, /dangerouslySetInnerHTML|innerHTML|\beval\(|new Function\(/, name);
});

test("the lock file names no host", () => {
  for (const folder of [".", "../tests/e2e"]) {
    assert.doesNotMatch(readFileSync(join(UI_ROOT, folder, "package-lock.json"), "utf8"), /https?:\/\//);
  }
});
