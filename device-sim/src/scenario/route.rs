//! Routes on the earth, followed there and back.

use super::Point;

/// A line of points, with their distances.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    points: Vec<Point>,
    /// From the first point to each.
    metres_to: Vec<f64>,
}

impl Route {
    /// Metres of a degree of latitude, on a sphere as large as the earth.
    pub(crate) const METRES_PER_DEGREE: f64 = 111_194.9;

    /// `None` unless there are two points that are a metre apart, and all are on the earth.
    pub fn new(points: Vec<Point>) -> Option<Self> {
        let on_earth = |point: &Point| {
            (-90.0..=90.0).contains(&point.latitude) && (-180.0..=180.0).contains(&point.longitude)
        };
        if !points.iter().all(on_earth) {
            return None;
        }
        let mut metres = 0.0;
        let mut metres_to = vec![0.0];
        for pair in points.windows(2) {
            metres += distance(pair[0], pair[1]);
            metres_to.push(metres);
        }
        (metres >= 1.0).then_some(Self { points, metres_to })
    }

    /// From one end to the other.
    pub fn metres(&self) -> f64 {
        self.metres_to.last().copied().unwrap_or(0.0)
    }

    /// Where one is after so many metres, turning round at the ends, and where one looks: degrees from north.
    pub fn at(&self, metres: f64) -> (Point, f64) {
        let length = self.metres();
        let around = metres.rem_euclid(2.0 * length);
        let back = around > length;
        let along = if back { 2.0 * length - around } else { around };
        // The first point behind; the last leg has no point behind it but the last.
        let end = self.metres_to.partition_point(|metres| *metres <= along).clamp(1, self.points.len() - 1);
        let (from, to) = (self.points[end - 1], self.points[end]);
        let leg = self.metres_to[end] - self.metres_to[end - 1];
        let share = if leg > 0.0 { ((along - self.metres_to[end - 1]) / leg).clamp(0.0, 1.0) } else { 0.0 };
        let point = Point {
            latitude: from.latitude + (to.latitude - from.latitude) * share,
            longitude: from.longitude + (to.longitude - from.longitude) * share,
        };
        (point, if back { heading(to, from) } else { heading(from, to) })
    }
}

/// In metres, by the haversine formula.
fn distance(from: Point, to: Point) -> f64 {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let cosines = from.latitude.to_radians().cos() * to.latitude.to_radians().cos();
    let square = half(to.latitude - from.latitude) + cosines * half(to.longitude - from.longitude);
    2.0 * 6_371_000.0 * square.clamp(0.0, 1.0).sqrt().asin()
}

fn heading(from: Point, to: Point) -> f64 {
    let east = (to.longitude - from.longitude) * f64::midpoint(from.latitude, to.latitude).to_radians().cos();
    let degrees = east.atan2(to.latitude - from.latitude).to_degrees().rem_euclid(360.0);
    // 359.7 would be written as 360, which is 0.
    if degrees >= 359.5 { 0.0 } else { degrees }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(latitude: f64, longitude: f64) -> Point {
        Point { latitude, longitude }
    }

    #[test]
    fn a_route_is_followed_there_and_back() {
        let route = Route::new(vec![point(0.0, 0.0), point(1.0, 0.0), point(1.0, 1.0)]).unwrap();
        let degree = Route::METRES_PER_DEGREE;
        assert!((route.metres() - 2.0 * degree).abs() < 30.0, "{}", route.metres());
        for (metres, latitude, longitude, looks) in [
            (0.0, 0.0, 0.0, 0.0),
            (degree / 2.0, 0.5, 0.0, 0.0),
            (degree * 1.5, 1.0, 0.5, 90.0),
            (degree * 2.5, 1.0, 0.5, 270.0),
            (degree * 3.5, 0.5, 0.0, 180.0),
            (degree * 4.5, 0.5, 0.0, 0.0),
        ] {
            let (found, heading) = route.at(metres);
            let near = |one: f64, other: f64| (one - other).abs() < 0.01;
            assert!(
                near(found.latitude, latitude) && near(found.longitude, longitude),
                "{metres}: {found:?}"
            );
            assert!((heading - looks).abs() < 1.0, "{metres}: {heading}");
        }
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for points in
            [vec![], vec![point(1.0, 1.0)], vec![point(1.0, 1.0); 3], vec![point(0.0, 0.0), point(91.0, 0.0)]]
        {
            assert_eq!(Route::new(points.clone()), None, "{points:?}");
        }
    }

    proptest! {
        #[test]
        fn it_never_leaves_the_route(
            ends in prop::collection::vec((-90.0..=90.0_f64, -180.0..=180.0_f64), 2..10), metres in 0.0..1e9_f64
        ) {
            let points: Vec<Point> = ends.into_iter().map(|(latitude, longitude)| point(latitude, longitude)).collect();
            if let Some(route) = Route::new(points) {
                let (found, heading) = route.at(metres);
                prop_assert!(found.latitude.abs() <= 90.0 && found.longitude.abs() <= 180.0);
                prop_assert!((0.0..360.0).contains(&heading));
            }
        }
    }
}
