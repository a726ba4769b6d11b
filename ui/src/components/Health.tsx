// SPDX-License-Identifier: Apache-2.0
//
// What the probe says, in a word. "healthy" is the rule and stays quiet.
import type { JSX } from "preact";
import { t } from "../i18n";

export function Health({ health }: { health: string | null }): JSX.Element {
  const words = t.value.probe as Record<string, string>;
  const text = words[!health || health === "unknown" ? "none" : health] ?? health;
  const tone = health === "unhealthy" || health === "starting" ? "busy" : health === "healthy" ? "" : "dim";

  return <span class={tone}>{text}</span>;
}
