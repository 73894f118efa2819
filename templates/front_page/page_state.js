// ---- what the address of the page keeps, to be shared: the filter, whether it is paused, and the open certificate

let opened = null;            // the number of the certificate whose dialog is open

// Never the token: the fragment has the terms of the filter and these two.
function fragment() {
  const pairs = [...applied ?? [], ...isPaused ? [['paused', '1']] : [], ...opened === null ? [] : [['open', opened]]];
  return pairs.length ? `#${queryOf(pairs)}` : '';
}

// The address without what else stands in it, such as a token.
const linkToPage = () => base.href + fragment();

function rememberState() {
  if (applied === null || location.hash === fragment()) return; // what it was opened with is not applied yet
  history.replaceState(null, '', fragment() || location.pathname + location.search);
}

// Shows what the address says: when the page is opened, and when somebody changes it.
function restoreState() {
  const given = [...new URLSearchParams(location.hash.slice(1))];
  const value = name => given.find(([other]) => other === name)?.[1];
  const seq = /^\d{1,16}$/.test(value('open')) ? Number(value('open')) : null;
  $('filter').value = formatTerms(given.filter(([name]) => name !== 'paused' && name !== 'open'));
  const isToPause = value('paused') === '1';
  if (applied === null) isPaused = isToPause; // the table is still to be filled
  else if (isToPause !== isPaused) pause();
  describeFeed();
  applyFilter();
  if (seq === null) $('details').close();
  else if (seq !== opened) openNumber(seq);
}
