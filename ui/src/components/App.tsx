// SPDX-License-Identifier: Apache-2.0
//
// The frame: bar, services, the page that the URL names, and what comes over it.
import { Component, type ComponentChildren, type JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { page, path } from "../lib/router";
import { ConfigPage } from "../pages/ConfigPage";
import { EventsPage } from "../pages/EventsPage";
import { LoginPage } from "../pages/LoginPage";
import { LogsPage } from "../pages/LogsPage";
import { MissingPage } from "../pages/MissingPage";
import { Overview } from "../pages/Overview";
import { RoutesPage } from "../pages/RoutesPage";
import { ServicePage } from "../pages/ServicePage";
import { link, projects, stale } from "../store/store";
import { ConfirmDialog } from "./ConfirmDialog";
import { HelpDialog } from "./HelpDialog";
import { OfflineBar } from "./OfflineBar";
import { Palette } from "./Palette";
import { pageName, Sidebar, Tabs } from "./Sidebar";
import { Toasts } from "./Toasts";
import { TopBar } from "./TopBar";

function CurrentPage(): JSX.Element {
  const at = page.value;

  switch (at.name) {
    case "overview":
      return <Overview />;
    case "service":
      return <ServicePage key={path.value} project={at.project} name={at.service} />;
    case "routes":
      return <RoutesPage />;
    case "events":
      return <EventsPage />;
    case "logs":
      return <LogsPage />;
    case "config":
      return <ConfigPage />;
    default:
      return <MissingPage />;
  }
}

/** A page that fails to draw must not take the frame with it: the rest still works. */
class Guard extends Component<{ children: ComponentChildren }, { failed: boolean }> {
  override state = { failed: false };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ failed: true });
  }

  override render(): ComponentChildren {
    if (!this.state.failed) return this.props.children;
    return (
      <div class="empty" role="alert">
        <strong>{t.value.error.internal}</strong>
        <button type="button" class="button" onClick={() => location.reload()}>
          {t.value.error.reload}
        </button>
      </div>
    );
  }
}

function Shell(): JSX.Element {
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const at = page.value;

  // After going to another page by a link, a screen reader and the next Tab start at its beginning.
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
  }, [path.value]);
  useEffect(() => {
    const name = at.name === "service" ? at.service : at.name === "overview" ? (projects.value[0] ?? "") : pageName(path.value);
    document.title = name ? `${name} · muelle` : "muelle";
  });

  return (
    <div class={`shell ${stale.value ? "stale" : ""}`}>
      <a class="skip" href="#main">
        {t.value.nav.skip}
      </a>
      <TopBar />
      {stale.value && <OfflineBar />}
      <Sidebar />
      <main class="page" id="main" tabIndex={-1} ref={main}>
        <Guard key={path.value}>
          <CurrentPage />
        </Guard>
      </main>
      <Tabs />
    </div>
  );
}

export function App(): JSX.Element {
  const login = link.value === "denied" || page.value.name === "login";

  return (
    <>
      {login ? <LoginPage /> : <Shell />}
      <ConfirmDialog />
      <Palette />
      <HelpDialog />
      <Toasts />
    </>
  );
}
