// SPDX-License-Identifier: Apache-2.0
//
// What was just done, with a way back where there is one. Failures stay until they are closed.
import type { JSX } from "preact";
import { t } from "../i18n";
import { dismiss, toasts, type Toast } from "../store/ui";

function Row({ toast }: { toast: Toast }): JSX.Element {
  const undo = toast.undo;

  return (
    <div class={`toast ${toast.bad ? "failed" : ""}`}>
      <div>
        {toast.text}
        {toast.detail && <p>{toast.detail}</p>}
        {toast.hint && <p class="hint">{toast.hint}</p>}
      </div>
      {undo && (
        <button
          type="button"
          class="button"
          onClick={() => {
            dismiss(toast.id);
            undo();
          }}
        >
          {t.value.action.undo}
        </button>
      )}
      <button type="button" class="button bare" aria-label={t.value.action.close} onClick={() => dismiss(toast.id)}>
        ×
      </button>
    </div>
  );
}

export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <Row key={toast.id} toast={toast} />
      ))}
    </div>
  );
}
