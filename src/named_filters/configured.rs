//! The named filters of the configuration.

use super::named::NamedFilter;
use crate::filter::Filter;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// The named filters of the configuration, which a reload and changed list files exchange.
#[derive(Debug, Default)]
pub(crate) struct ConfiguredFilters(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_name: BTreeMap<String, Arc<NamedFilter>>,
    /// Those that the configuration no longer has, as long as clients use them.
    removed: BTreeMap<String, Weak<NamedFilter>>,
}

impl ConfiguredFilters {
    /// The filters with these names.
    pub(crate) fn new(filters: impl IntoIterator<Item = (String, Arc<Filter>)>) -> Self {
        let configured = ConfiguredFilters::default();
        configured.replace(filters);
        configured
    }

    /// The filter with this name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<NamedFilter>> {
        self.0.lock().by_name.get(name).cloned()
    }

    /// All of them, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<NamedFilter>> {
        self.0.lock().by_name.values().cloned().collect()
    }

    /// Replaces all filters by those with these names. Clients keep the last values of one that is gone, until it comes
    /// back. Returns the names of those whose values have changed.
    pub(crate) fn replace(&self, filters: impl IntoIterator<Item = (String, Arc<Filter>)>) -> Vec<String> {
        let mut known = self.0.lock();
        let mut before = std::mem::take(&mut known.by_name);
        let mut changed = Vec::new();
        for (name, filter) in filters {
            let removed = || known.removed.get(&name).and_then(Weak::upgrade);
            let named = match before.remove(&name).or_else(removed) {
                Some(named) => {
                    if named.exchange(filter) {
                        changed.push(name.clone());
                    }
                    named
                }
                None => NamedFilter::configured(&name, filter),
            };
            known.removed.remove(&name);
            known.by_name.insert(name, named);
        }
        known.removed.retain(|_, named| named.strong_count() > 0);
        known.removed.extend(before.iter().map(|(name, named)| (name.clone(), Arc::downgrade(named))));
        changed
    }

    /// Exchanges the values of one filter. Returns whether they are others than before; false if there is no such filter.
    pub(crate) fn exchange(&self, name: &str, filter: Arc<Filter>) -> bool {
        self.get(name).is_some_and(|named| named.exchange(filter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Limits;

    fn filter(domain: &str) -> Arc<Filter> {
        Arc::new(Filter::parse([("domain", domain)], Limits::default()).expect("a filter"))
    }

    #[test]
    fn clients_keep_their_filter_while_its_values_change() {
        let filters = ConfiguredFilters::new([("a".into(), filter("a")), ("b".into(), filter("b"))]);
        let held = filters.get("a").expect("a filter");
        assert!(!filters.exchange("a", filter("a")), "nothing changes");
        assert!(filters.exchange("a", filter("x")) && !filters.exchange("c", filter("c")));
        assert_eq!(held.filter(), filter("x"));
        let changed = filters.replace([("a".into(), filter("y")), ("b".into(), filter("b"))]);
        assert_eq!((changed, held.filter()), (vec!["a".to_string()], filter("y")));
        assert_eq!(filters.replace([("b".into(), filter("b"))]), Vec::<String>::new());
        assert!(filters.get("a").is_none());
        assert_eq!(held.filter(), filter("y"), "its clients keep the last values");
        assert_eq!(filters.replace([("a".into(), filter("z"))]), ["a"]);
        assert_eq!(held.filter(), filter("z"), "it came back");
        assert_eq!(filters.get("a"), Some(held));
        assert_eq!(filters.all().len(), 1);
    }
}
