// SPDX-License-Identifier: Apache-2.0
//
// Configuration as muelle understood it, readable and copyable.
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { t } from "../i18n";
import { toYaml, yamlText } from "../lib/yaml";
import { copy } from "../store/actions";

export function ConfigView({ value }: { value: unknown }): JSX.Element {
  const pieces = useMemo(() => toYaml(value), [value]);

  return (
    <div>
      <div class="toolbar">
        <button type="button" class="button" onClick={() => void copy(yamlText(value))}>
          {t.value.action.copy}
        </button>
      </div>
      <pre class="config" tabIndex={0}>
        {pieces.map((piece) =>
          piece.kind === "key" || piece.kind === "string" || piece.kind === "scalar" ? (
            <span class={piece.kind}>{piece.text}</span>
          ) : (
            piece.text
          ),
        )}
      </pre>
    </div>
  );
}
