// SPDX-License-Identifier: Apache-2.0
//
// A link inside the dashboard: a real <a>, so that it can be copied and opened in another tab.
import type { ComponentChildren, JSX } from "preact";
import { navigate, path } from "../lib/router";

interface Props extends Omit<JSX.HTMLAttributes<HTMLAnchorElement>, "href"> {
  to: string;
  children: ComponentChildren;
}

export function Link({ to, children, ...rest }: Props): JSX.Element {
  const go = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };

  return (
    <a href={to} onClick={go} {...(path.value === to ? { "aria-current": "page" as const } : {})} {...rest}>
      {children}
    </a>
  );
}
