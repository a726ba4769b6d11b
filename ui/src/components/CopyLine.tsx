// SPDX-License-Identifier: Apache-2.0
//
// A command to copy: what empty pages teach with.
import type { JSX } from "preact";
import { t } from "../i18n";
import { copy } from "../store/actions";

export function CopyLine({ command }: { command: string }): JSX.Element {
  return (
    <span class="copyline">
      <code>{command}</code>
      <button type="button" class="button bare" onClick={() => void copy(command)} aria-label={`${t.value.action.copy}: ${command}`}>
        {t.value.action.copy}
      </button>
    </span>
  );
}
