// SPDX-License-Identifier: Apache-2.0
//
// May the page's own keys act on this event? Not while someone types, a dialog is open or a modifier is held.

export interface KeyTarget {
  /** The focus is on something that Enter or Space activates by itself. */
  interactive: boolean;
}

export function askable(event: KeyboardEvent): KeyTarget | null {
  const element = event.target instanceof Element ? event.target : null;

  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return null;
  if (element?.closest("input, textarea, select, [contenteditable], [role=menu]")) return null;
  if (document.querySelector("dialog[open]")) return null;
  return { interactive: !!element?.closest("a, button, summary") };
}
