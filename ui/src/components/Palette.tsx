// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-K: type, choose, Enter. A combobox by the ARIA pattern: the focus stays in the field.
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { copy } from "../store/actions";
import { commands, search, type Command } from "../store/palette";
import { paletteOpen } from "../store/ui";
import { Dialog } from "./Dialog";

const SHOWN_MAX = 60;

function Option({ command, id, chosen, onRun }: { command: Command; id: string; chosen: boolean; onRun: () => void }): JSX.Element {
  const row = useRef<HTMLLIElement>(null);

  useEffect(() => {
    if (chosen) row.current?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return (
    <li ref={row} id={id} role="option" aria-selected={chosen} onClick={onRun}>
      <span>
        {command.label}
        {command.copies && <span class="dim"> · {t.value.palette.copies}</span>}
      </span>
      <code>{command.line}</code>
    </li>
  );
}

function Open(): JSX.Element {
  const words = t.value.palette;
  const typed = useSignal("");
  const at = useSignal(0);
  const found = search(commands(t.value), typed.value).slice(0, SHOWN_MAX);
  const chosen = Math.min(at.value, found.length - 1);
  const close = (): void => void (paletteOpen.value = false);
  const run = (command: Command | undefined): void => {
    if (!command) return;
    close();
    // After the palette has given the focus back, so that what opens now can take it.
    setTimeout(command.run, 0);
  };
  const onKey = (event: KeyboardEvent): void => {
    const last = Math.max(0, found.length - 1);
    const move: Record<string, number> = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, PageDown: chosen + 8, PageUp: chosen - 8 };

    if (event.key in move) at.value = Math.min(last, Math.max(0, move[event.key]!));
    else if (event.key === "Enter") run(found[chosen]);
    else if (event.key === "Tab" && !event.shiftKey && found[chosen]?.line) void copy(found[chosen]!.line);
    else return;
    event.preventDefault();
  };

  return (
    <Dialog label={words.title} class="palette" onClose={close}>
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length ? `palette-${chosen}` : undefined}
        aria-label={words.placeholder}
        placeholder={words.placeholder}
        autocomplete="off"
        spellcheck={false}
        autoFocus
        value={typed.value}
        onInput={(event) => {
          typed.value = event.currentTarget.value;
          at.value = 0;
        }}
        onKeyDown={onKey}
      />
      <ul id="palette-list" role="listbox" aria-label={words.title}>
        {found.map((command, i) => (
          <Option
            key={`${command.label} ${command.line}`}
            id={`palette-${i}`}
            command={command}
            chosen={i === chosen}
            onRun={() => run(command)}
          />
        ))}
      </ul>
      <p class="hint" role="status">
        {found.length ? words.keys : words.empty}
        <span class="offscreen">{words.results(found.length)}</span>
      </p>
    </Dialog>
  );
}

export function Palette(): JSX.Element | null {
  return paletteOpen.value ? <Open /> : null;
}
