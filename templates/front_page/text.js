'use strict';
// ---- addresses, and text from outside

const $ = id => document.getElementById(id);
const base = new URL('.', location.href);
let token = new URLSearchParams(location.search).get('token');

function address(path, scheme) {
  const url = new URL(path, base);
  if (scheme) url.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
  if (token) url.searchParams.set('token', token);
  return url;
}

// Fetches without the token in the address.
function get(path, signal) {
  return fetch(new URL(path, base), { headers: token ? { authorization: `Bearer ${token}` } : {}, signal });
}

// What is not shown, or changes the direction of what stands beside it: as the server's log file shows it.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const escapeOf = c => `\\u{${c.codePointAt(0).toString(16)}}`;
const visible = text => text.replace(HIDDEN, escapeOf);
// The same where line breaks are the server's own.
const visibleLines = text => text.split('\n').map(visible).join('\n');

// A text with a direction of its own, which does not reach its neighbours.
function isolated(text) {
  const bdi = document.createElement('bdi');
  bdi.textContent = visible(text); // never as HTML: names come from whoever asked for a certificate
  return bdi;
}

// Of one text, or of several with spaces between them.
function cell(texts, className) {
  const td = document.createElement('td');
  td.append(...[texts].flat().flatMap((text, i) => i ? [' ', isolated(text)] : [isolated(text)]));
  if (className) td.className = className;
  return td;
}

// To make one takes longer than to use it hundreds of times.
const TIME = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const DAY = new Intl.DateTimeFormat([], { weekday: 'short' });

// With the day unless it is today.
function time(ms) {
  const date = new Date(ms), isToday = date.toDateString() === new Date().toDateString();
  return (isToday ? '' : `${DAY.format(date)} `) + TIME.format(date);
}

function duration(seconds) {
  for (const [size, unit] of [[86400, 'd'], [3600, 'h'], [60, 'min']]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${seconds} s`;
}
