'use strict';
// What the scripts share that look at the front page.
const { chromium } = require('playwright-core');
const assert = require('node:assert/strict');

const PATIENCE = 30000;

// Opens `url` and calls `see` with the page, and with its errors and its requests to anybody else, of which none may be
// left at the end.
async function look(url, see) {
  const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
  page.setDefaultTimeout(PATIENCE);
  const problems = watch(page, url);
  try {
    await page.goto(url);
    await see(page, problems);
    assert.deepEqual(problems, []);
  } finally {
    problems.forEach(problem => console.error(problem));
    await browser.close();
  }
}

function watch(page, url) {
  const problems = [];
  page.on('pageerror', error => problems.push(`error: ${error.message}`));
  page.on('console', message => { if (message.type() === 'error') problems.push(`console: ${message.text()}`); });
  const ours = new URL(url).host;
  const elsewhere = asked => { if (new URL(asked).host !== ours) problems.push(`a request to ${asked}`); };
  page.on('request', request => { if (!request.url().startsWith('data:')) elsewhere(request.url()); });
  page.on('websocket', socket => elsewhere(socket.url()));
  return problems;
}

// Fails if there are other problems than those that `expected` matches, and forgets these.
function only(problems, expected) {
  assert.deepEqual(problems.filter(problem => !expected.test(problem)), []);
  problems.length = 0;
}

function end(error) {
  console.error(error);
  process.exit(1);
}

const number = async (page, id) => Number((await page.textContent(id)).replace(/\D/g, ''));
const firstRow = page => page.evaluate(() => document.querySelector('#feed tr')?.textContent);
const moves = (page, before) =>
  page.waitForFunction(was => document.querySelector('#feed tr')?.textContent !== was, before);

module.exports = { look, only, end, number, firstRow, moves };
