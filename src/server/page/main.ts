import { setToken, token } from './api.ts';
import { builds } from './builds.ts';
import { channelList, channelPage } from './channels.ts';
import { type Child, h, show } from './dom.ts';
import { closeLog, jobPage, placeLog } from './job.ts';
import { overview } from './overview.ts';
import { forgetPlans, planPage } from './plan.ts';
import { changed, known, live, onChange } from './state.ts';
import { variantPage } from './variant.ts';
import { watchPage } from './watch.ts';

const top = document.querySelector('#top') as HTMLElement;
const main = document.querySelector('#main') as HTMLElement;

const NAVIGATION = [
  ['#/', 'Overview'],
  ['#/builds', 'Builds'],
  ['#/channels', 'Channels'],
  ['#/watch', 'Watch'],
] as const;

function route(): { readonly name: string; readonly rest: readonly string[] } {
  const [name = '', ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  return { name, rest: rest.map(decoded) };
}

/** An address that was typed may hold anything. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function page(): Child {
  const { name, rest } = route();
  const [first = '', second] = rest;
  if (name === 'token' || known.link.state === 'refused') return tokenPage();
  if (name === 'builds') return builds();
  if (name === 'jobs') return jobPage(first, second);
  if (name === 'channels') return first === '' ? channelList() : channelPage(first);
  if (name === 'variants') return variantPage(first);
  if (name === 'watch') return watchPage();
  if (name === 'plans') return planPage(first);
  return overview(changed);
}

function draw(): void {
  drawTop();
  show(main, page());
  placeLog(main);
  if (route().name !== 'jobs') closeLog();
}

function drawTop(): void {
  const { name } = route();
  const section = name === 'jobs' ? 'builds' : name === 'variants' || name === 'plans' ? '' : name;
  show(
    top,
    h(
      'a',
      { class: 'logo', href: '#/', 'aria-label': 'Kiln, overview' },
      h('img', { src: 'page/icon.svg', alt: '', width: 24, height: 24 }),
      'Kiln',
    ),
    h(
      'nav',
      { 'aria-label': 'Sections' },
      NAVIGATION.map(([href, title]) =>
        h(
          'a',
          { class: 'nav-link', href, 'aria-current': href === `#/${section}` ? 'page' : undefined },
          title,
        ),
      ),
    ),
    link(),
    h(
      'a',
      {
        class: 'icon',
        href: '#/token',
        title: 'The token that this page acts with',
      },
      token() === null ? 'Sign in' : 'Signed in',
    ),
    h(
      'button',
      { type: 'button', class: 'icon', onclick: nextTheme, 'aria-label': 'Change between light and dark' },
      '◑',
    ),
  );
  document.body.classList.toggle('lost', known.link.state === 'lost');
}

/** Whether what is shown is what is. */
function link(): HTMLElement {
  const { link: is } = known;
  if (is.state === 'live') return h('span', { class: 'link live', role: 'status' }, 'Live');
  if (is.state === 'connecting') return h('span', { class: 'link', role: 'status' }, 'Connecting');
  if (is.state === 'refused') return h('span', { class: 'link lost', role: 'status' }, 'No access');
  return h(
    'span',
    {
      class: 'link lost',
      role: 'status',
      title: `Shown is what was known at ${is.since.toLocaleTimeString()}`,
    },
    'Reconnecting',
  );
}

function tokenPage(): Child {
  const input = h('input', {
    id: 'token',
    type: 'password',
    autocomplete: 'off',
    placeholder: 'kiln_…',
  }) as HTMLInputElement;
  return [
    h('h1', {}, 'Token'),
    known.link.state === 'refused' ? h('p', { class: 'band' }, `${known.link.why}.`) : null,
    h(
      'form',
      {
        class: 'card token',
        onsubmit: (event) => {
          event.preventDefault();
          const given = (document.querySelector('#token') as HTMLInputElement).value.trim();
          setToken(given);
          known.link = { state: 'connecting' };
          location.hash = '#/';
          location.reload();
        },
      },
      h('p', {}, 'To build, steer and publish from this page it needs a token. Make one where Kiln runs:'),
      h('pre', { class: 'wrap' }, 'kiln token add --role publisher --name you'),
      h('label', { for: 'token' }, 'Token'),
      input,
      h('p', { class: 'quiet' }, 'It stays in this tab of the browser and goes with it.'),
      h(
        'div',
        { class: 'buttons' },
        token() === null
          ? null
          : h(
              'button',
              {
                type: 'button',
                onclick: () => {
                  setToken('');
                  location.reload();
                },
              },
              'Forget it',
            ),
        h('button', { type: 'submit', class: 'primary' }, 'Use it'),
      ),
    ),
  ];
}

function nextTheme(): void {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = document.documentElement.dataset.theme ?? (dark ? 'dark' : 'light');
  setTheme(now === 'dark' ? 'light' : 'dark');
}

function setTheme(theme: string): void {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('kiln-theme', theme);
}

const theme = localStorage.getItem('kiln-theme');
if (theme !== null) setTheme(theme);
onChange(draw);
addEventListener('hashchange', () => {
  forgetPlans();
  draw();
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
});
// Ages grow without anything happening.
setInterval(changed, 30_000);
draw();
void live();
