// SPDX-License-Identifier: Apache-2.0
//
// A part of a page with an address of its own (#id), so that it can be linked to.
import type { ComponentChildren, JSX } from "preact";
import { Link } from "./Link";

interface Props {
  id: string;
  title: string;
  link?: string;
  children: ComponentChildren;
}

export function Section({ id, title, link, children }: Props): JSX.Element {
  return (
    <section class="section" id={id} aria-labelledby={`${id}-title`}>
      <header>
        <h2 id={`${id}-title`}>
          <a class="plain" href={`#${id}`}>
            {title}
          </a>
        </h2>
        {link && (
          <span class="end">
            <Link to={link} class="mono" aria-label={`${title}: ${link}`}>
              {link}
            </Link>
          </span>
        )}
      </header>
      {children}
    </section>
  );
}
