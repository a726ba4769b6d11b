// SPDX-License-Identifier: Apache-2.0
//
// The browser's own modal dialog: it holds the focus, gives it back and closes on Escape by itself.
import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface Props {
  label: string;
  class?: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ label, class: name, onClose, children }: Props): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);

  // Before the next key arrives: what is typed right after Ctrl-K belongs to the palette.
  useLayoutEffect(() => {
    const dialog = ref.current!;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);

  return (
    <dialog
      ref={ref}
      class={name}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        // A click on the dialog element itself is one on its backdrop: its content covers the rest.
        if (event.target === ref.current) onClose();
      }}
    >
      {children}
    </dialog>
  );
}
