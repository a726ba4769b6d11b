// SPDX-License-Identifier: Apache-2.0
//
// What the probe says, in a word. "healthy" is the rule and stays quiet.
import type { JSX } from "preact";
import { t } from "../i18n";
import type { State } from "../store/types";

/** What does not run is not probed. */
const UNPROBED: ReadonlySet<State> = new Set(["stopped", "completed", "stopping"]);

export function Health({ health, state }: { health: string | null; state: State }): JSX.Element {
  const words = t.value.probe as Record<string, string>;
  if (UNPROBED.has(state)) return <span class="dim">–</span>;
  const text = words[!health || health === "unknown" ? "none" : health] ?? health;
  const tone = health === "unhealthy" || health === "starting" ? "busy" : health === "healthy" ? "" : "dim";

  return <span class={tone}>{text}</span>;
}
