//! The fields that patterns name, as a tree of names.

use std::collections::HashMap;

/// A place in the tree. The root is the event itself.
pub(crate) type PathId = u32;

/// The event itself.
pub(crate) const ROOT: PathId = 0;

/// A tree of names.
#[derive(Debug)]
pub(crate) struct PathTree {
    places: Vec<Place>,
}

#[derive(Debug, Default)]
struct Place {
    parent: PathId,
    depth: u32,
    is_field: bool,
    children: HashMap<Box<str>, PathId>,
}

impl Default for PathTree {
    fn default() -> Self {
        Self { places: vec![Place::default()] }
    }
}

impl PathTree {
    /// The place of a field; adds what is missing.
    pub(crate) fn field(&mut self, path: &[Box<str>]) -> PathId {
        let mut place = ROOT;
        for name in path {
            place = match self.child(place, name) {
                Some(child) => child,
                None => {
                    // Patterns of a set have a million fields at most.
                    let child = self.places.len() as PathId;
                    let depth = self.places[place as usize].depth + 1;
                    self.places.push(Place { parent: place, depth, ..Place::default() });
                    self.places[place as usize].children.insert(name.clone(), child);
                    child
                }
            };
        }
        self.places[place as usize].is_field = true;
        place
    }

    pub(crate) fn child(&self, place: PathId, name: &str) -> Option<PathId> {
        self.places[place as usize].children.get(name).copied()
    }

    pub(crate) fn has_children(&self, place: PathId) -> bool {
        !self.places[place as usize].children.is_empty()
    }

    pub(crate) fn is_field(&self, place: PathId) -> bool {
        self.places[place as usize].is_field
    }

    /// How many names lead there.
    pub(crate) fn depth(&self, place: PathId) -> u32 {
        self.places[place as usize].depth
    }

    /// How deep the innermost object lies that two fields have in common.
    pub(crate) fn common_depth(&self, left: PathId, right: PathId) -> u32 {
        let parent = |place: PathId| self.places[place as usize].parent;
        let (mut left, mut right) = (parent(left), parent(right));
        while left != right {
            if self.depth(left) >= self.depth(right) {
                left = parent(left);
            } else {
                right = parent(right);
            }
        }
        self.depth(left)
    }
}
