// SPDX-License-Identifier: Apache-2.0
//
// "?": the keys, from the table that handles them.
import type { JSX } from "preact";
import { t } from "../i18n";
import { PAGES } from "../store/keys";
import { instance } from "../store/store";
import { helpOpen } from "../store/ui";
import { Dialog } from "./Dialog";

/** Which instance this is: a phone has no other place for it. */
function About(): JSX.Element | null {
  const about = instance.value;
  if (!about) return null;

  return (
    <p class="about dim">
      muelle {about.version} · {t.value.top.instance(about.id)}
      {about.state_dir && (
        <>
          <br />
          <code>{about.state_dir}</code>
        </>
      )}
    </p>
  );
}

export function HelpDialog(): JSX.Element | null {
  if (!helpOpen.value) return null;
  const words = t.value.help;
  const close = (): void => void (helpOpen.value = false);
  const keys: [string[], string][] = [
    [["j", "k"], words.move],
    [["Enter"], words.open],
    [["/"], words.search],
    [["l"], words.logs],
    [["r"], words.restart],
    [["p"], words.pause],
    [["g", PAGES.map(([key]) => key).join(" ")], words.pages],
    [["Ctrl K"], words.palette],
    [["?"], words.help],
    [["Esc"], words.close],
  ];

  return (
    <Dialog label={words.title} onClose={close}>
      <div class="dialog">
        <h2>{words.title}</h2>
        <dl class="keys">
          {keys.map(([names, text]) => [
            <dt>
              {names.map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dt>,
            <dd>{text}</dd>,
          ])}
        </dl>
        <About />
        <footer>
          <button type="button" class="button" onClick={close} autoFocus>
            {t.value.action.close}
          </button>
        </footer>
      </div>
    </Dialog>
  );
}
