//! Lists in pages.

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the order of their keys.
    pub items: Vec<T>,
    /// The key to go on after; `None` at the end.
    pub next_after: Option<String>,
}

impl<T> Page<T> {
    /// At most `length` of the items, which come in order, with their keys.
    pub(crate) fn take(items: impl Iterator<Item = (String, T)>, length: usize) -> Self {
        let mut items = items.peekable();
        let mut page = Self { items: Vec::new(), next_after: None };
        let mut last = None;
        while page.items.len() < length.max(1)
            && let Some((key, item)) = items.next()
        {
            page.items.push(item);
            last = Some(key);
        }
        page.next_after = last.filter(|_| items.peek().is_some());
        page
    }
}
