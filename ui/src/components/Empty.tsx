// SPDX-License-Identifier: Apache-2.0
//
// An empty page teaches: one sentence, one command.
import type { ComponentChildren, JSX } from "preact";
import { CopyLine } from "./CopyLine";

interface Props {
  title?: string;
  hint?: string;
  command?: string;
  children?: ComponentChildren;
}

export function Empty({ title, hint, command, children }: Props): JSX.Element {
  return (
    <div class="empty">
      {title && <strong>{title}</strong>}
      {hint && <p>{hint}</p>}
      {command && <CopyLine command={command} />}
      {children}
    </div>
  );
}
