// SPDX-License-Identifier: Apache-2.0
//
// JSON as the YAML a person writes, in pieces that a view can colour. Only for reading: it quotes where a
// plain word would be read as something else.

export interface Piece {
  kind: "indent" | "key" | "string" | "scalar" | "mark" | "end";
  text: string;
}

const PLAIN = /^[A-Za-z_./][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@+=-]+)*$/;
const RESERVED = /^(?:true|false|null|yes|no|on|off|~)$/i;
const DEPTH_MAX = 32;

const word = (value: string): string =>
  PLAIN.test(value) && !RESERVED.test(value) ? value : JSON.stringify(value);

function scalar(value: unknown): Piece {
  if (typeof value === "string") return { kind: "string", text: word(value) };
  return { kind: "scalar", text: value === null || value === undefined ? "null" : String(value) };
}

const isNode = (value: unknown): value is object => typeof value === "object" && value !== null;
const isEmpty = (value: object): boolean => Object.keys(value).length === 0;

function entries(value: object, depth: number, first: boolean, out: Piece[]): void {
  const list = Array.isArray(value);

  for (const [key, child] of Object.entries(value) as [string, unknown][]) {
    // The first entry of a mapping inside a list stands behind the dash.
    if (!first) out.push({ kind: "indent", text: "  ".repeat(depth) });
    first = false;
    out.push(list ? { kind: "mark", text: "- " } : { kind: "key", text: word(key) });
    if (!list) out.push({ kind: "mark", text: ":" });
    if (!isNode(child) || isEmpty(child) || depth > DEPTH_MAX) {
      if (!list) out.push({ kind: "mark", text: " " });
      out.push(isNode(child) ? { kind: "scalar", text: Array.isArray(child) ? "[]" : "{}" } : scalar(child));
      out.push({ kind: "end", text: "\n" });
    } else if (list && !Array.isArray(child)) {
      entries(child, depth + 1, true, out);
    } else {
      out.push({ kind: "end", text: "\n" });
      entries(child, depth + 1, false, out);
    }
  }
}

export function toYaml(value: unknown): Piece[] {
  if (!isNode(value)) return [scalar(value), { kind: "end", text: "\n" }];
  const out: Piece[] = [];

  entries(value, 0, false, out);
  return out;
}

export const yamlText = (value: unknown): string => toYaml(value).map((piece) => piece.text).join("");
