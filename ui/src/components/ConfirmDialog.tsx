// SPDX-License-Identifier: Apache-2.0
//
// Asks once, names what will happen, shows the command line that does the same.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../i18n";
import type { Messages } from "../i18n/en";
import { carryOut, commandLine, dependentsOf } from "../store/actions";
import { pending, type Pending } from "../store/ui";
import { CopyLine } from "./CopyLine";
import { Dialog } from "./Dialog";

const REPLICAS_MAX = 1_000;

function words(wish: Pending, text: Messages): { title: string; what: string; button: string } {
  const { confirm, action } = text;
  const { service, project, replicas } = wish;

  switch (wish.verb) {
    case "restart":
      return { title: confirm.restart(service), what: confirm.restartWhat(replicas), button: action.restart };
    case "stop":
      return {
        title: confirm.stop(service),
        what: confirm.stopWhat(replicas, dependentsOf(project, service), wish.routed),
        button: action.stop,
      };
    case "scale":
      return { title: confirm.scale(service), what: confirm.scaleWhat, button: action.scale.replace("…", "") };
    case "down":
      return { title: confirm.down(project), what: confirm.downWhat, button: action.down };
    default:
      return { title: confirm.reset(service), what: confirm.resetWhat, button: action.reset };
  }
}

function Stepper({ value, onChange }: { value: number; onChange: (value: number) => void }): JSX.Element {
  const set = (next: number): void => onChange(Math.min(REPLICAS_MAX, Math.max(0, Math.round(next) || 0)));

  return (
    <label class="stepper">
      {t.value.action.replicasLabel}
      <input
        class="field"
        type="number"
        min="0"
        max={REPLICAS_MAX}
        value={value}
        autoFocus
        onInput={(event) => set(event.currentTarget.valueAsNumber)}
      />
    </label>
  );
}

function Asking({ wish }: { wish: Pending }): JSX.Element {
  const [replicas, setReplicas] = useState(wish.replicas);
  const { title, what, button } = words(wish, t.value);
  const close = (): void => void (pending.value = null);
  const submit = (event: Event): void => {
    event.preventDefault();
    close();
    void carryOut({ ...wish, replicas });
  };

  return (
    <Dialog label={title} onClose={close}>
      <form class="dialog" onSubmit={submit}>
        <h2>{title}</h2>
        <p>{what}</p>
        {wish.verb === "scale" && <Stepper value={replicas} onChange={setReplicas} />}
        <div class="same">
          {t.value.confirm.same}
          <CopyLine command={commandLine(wish.verb, wish.service, replicas)} />
        </div>
        <footer>
          <button type="button" class="button" onClick={close}>
            {t.value.action.cancel}
          </button>
          <button
            type="submit"
            class={`button ${wish.verb === "stop" || wish.verb === "down" ? "hurts" : "main"}`}
            autoFocus={wish.verb !== "scale"}
          >
            {button}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function ConfirmDialog(): JSX.Element | null {
  const wish = pending.value;

  return wish && <Asking key={`${wish.verb} ${wish.service}`} wish={wish} />;
}
