// SPDX-License-Identifier: Apache-2.0
//
// Where am I, is it all right, how do I do something.
import type { JSX } from "preact";
import { t } from "../i18n";
import { clock, exact } from "../lib/format";
import { dark, lang, setLang, toggleTheme } from "../lib/prefs";
import { health, healthSentence } from "../store/health";
import { copy } from "../store/actions";
import { instance, link, now, projects } from "../store/store";
import { page } from "../lib/router";
import { paletteOpen } from "../store/ui";
import { Link } from "./Link";
import { Mark } from "./StateMark";

function Brand(): JSX.Element {
  const name = projects.value.length === 1 ? projects.value[0] : "";

  return (
    <Link to="/" class="brand">
      <svg viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor" stroke-linecap="round">
        <path d="M2 6h16M5 6v6.5M10 6v6.5M15 6v6.5" stroke-width="2" />
        <path d="M2 16.5q2-1.8 4 0t4 0 4 0 4 0" stroke-width="1.6" opacity=".65" />
      </svg>
      <span>muelle</span>
      {name && <span class="project">{name}</span>}
    </Link>
  );
}

/** Enough to tell instances apart by eye; the title has all of it. */
const ID_SHOWN = 7;

/** Which of several instances this tab shows; a click copies its id. */
function Instance(): JSX.Element | null {
  const about = instance.value;
  if (!about) return null;
  const title = `${t.value.top.instance(about.id)}${about.state_dir ? ` · ${about.state_dir}` : ""}`;

  return (
    <button type="button" class="button bare instance" title={title} aria-label={title} onClick={() => void copy(about.id)}>
      {about.id.slice(0, ID_SHOWN)}
    </button>
  );
}

function Connection(): JSX.Element {
  const words = t.value.link;
  const live = link.value === "live";
  const connecting = link.value === "connecting";

  return (
    <span class="link-state" role="status">
      <Mark shape={live ? "running" : connecting ? "starting" : "stopped"} />
      {live ? words.live : connecting ? words.connecting : words.offline}
    </span>
  );
}

export function TopBar(): JSX.Element {
  const { top } = t.value;
  const sentence = healthSentence(t.value);

  return (
    <header class="top">
      <div class="where">
        <Brand />
        <Instance />
      </div>
      <div class="saying" title={sentence} data-health={health.value.tone}>
        {/* The overview says it in its headline; twice would be noise. */}
        {page.value.name !== "overview" && (
          <>
            <Mark shape={health.value.tone} />
            <span>{sentence}</span>
          </>
        )}
      </div>
      <button type="button" class="button search-button" onClick={() => (paletteOpen.value = true)}>
        <svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.6">
          <circle cx="6.8" cy="6.8" r="4.3" />
          <path d="m10.2 10.2 3.8 3.8" stroke-linecap="round" />
        </svg>
        <span class="long">{top.search}</span>
        <kbd>Ctrl K</kbd>
      </button>
      <Connection />
      <time class="clock" title={exact(now.value)} aria-label={top.clock}>
        {clock(now.value)}
      </time>
      <div class="switches">
        <button type="button" class="button bare" onClick={toggleTheme} title={top.theme} aria-label={top.theme}>
          {dark.value ? top.toLight : top.toDark}
        </button>
        <button
          type="button"
          class="button bare"
          lang={lang.value === "es" ? "en" : "es"}
          title={top.language}
          aria-label={top.language}
          onClick={() => setLang(lang.value === "es" ? "en" : "es")}
        >
          {top.languageShort}
        </button>
      </div>
    </header>
  );
}
