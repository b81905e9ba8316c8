//! How the tiles of a board lie: as large as they can be so that all have room, and when even the smallest are too many,
//! those around the chosen one.

use std::ops::Range;

use ratatui::layout::Rect;

/// What there is room for in a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tile {
    /// A large box: beside that of a card what it gets, how fast it is, or what is wrong.
    Panel,
    /// A box: name, status and how far it is.
    Card,
    /// A line of the same.
    Line,
    /// Status and name.
    Name,
    /// Status and the end of the name.
    Short,
    /// The status alone.
    Sign,
}

/// Tiles in rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mosaic {
    pub(crate) tile: Tile,
    pub(crate) columns: usize,
    width: usize,
    height: usize,
    /// Rows of tiles that are in view at once.
    pub(crate) rows: usize,
}

impl Tile {
    /// From the roomiest on.
    const ALL: [Tile; 6] = [Self::Panel, Self::Card, Self::Line, Self::Name, Self::Short, Self::Sign];

    /// Columns that it needs, and those that it can use.
    fn widths(self) -> (usize, usize) {
        match self {
            Self::Panel => (36, 64),
            Self::Card => (24, 40),
            Self::Line => (24, 48),
            Self::Name => (14, 24),
            Self::Short => (8, 11),
            Self::Sign => (2, 2),
        }
    }

    fn height(self) -> usize {
        match self {
            Self::Panel => 8,
            Self::Card => 4,
            Self::Line | Self::Name | Self::Short | Self::Sign => 1,
        }
    }
}

impl Mosaic {
    /// For `tiles` in an area of this size.
    pub(crate) fn fit(tiles: usize, width: u16, height: u16) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        let all = Tile::ALL.into_iter().filter_map(|tile| Self::of(tile, tiles, width, height));
        all.into_iter().next().unwrap_or_else(|| {
            let (least, _) = Tile::Short.widths();
            Self { tile: Tile::Sign, columns: (width / 2).max(1), width: least.min(2), height: 1, rows: height.max(1) }
        })
    }

    /// With tiles of this kind, if they have room, in as few columns as will do: then they are wide.
    fn of(tile: Tile, tiles: usize, width: usize, height: usize) -> Option<Self> {
        let (least, most) = tile.widths();
        let (rows, at_most) = (height / tile.height(), width / least);
        if rows == 0 || at_most == 0 || tiles.div_ceil(at_most) > rows {
            return None;
        }
        let columns = tiles.div_ceil(rows).max(width / most).clamp(1, at_most);
        Some(Self { tile, columns, width: width / columns, height: tile.height(), rows })
    }

    /// Lines that `tiles` of these take.
    pub(crate) fn taken(&self, tiles: usize) -> u16 {
        u16::try_from(tiles.div_ceil(self.columns).min(self.rows) * self.height).unwrap_or(u16::MAX)
    }

    /// Which of `tiles` are in view: whole rows, that of the chosen one among them.
    pub(crate) fn window(&self, tiles: usize, chosen: usize) -> Range<usize> {
        let all = tiles.div_ceil(self.columns);
        let first = (chosen / self.columns).saturating_sub(self.rows / 2).min(all.saturating_sub(self.rows));
        (first * self.columns).min(tiles)..((first + self.rows) * self.columns).min(tiles)
    }

    /// Where the tile that is the `nth` of those in view lies.
    pub(crate) fn place(&self, nth: usize, area: Rect) -> Rect {
        let short = |cells: usize| u16::try_from(cells).unwrap_or(u16::MAX);
        let x = area.x.saturating_add(short(nth % self.columns * self.width));
        let y = area.y.saturating_add(short(nth / self.columns * self.height));
        Rect::new(x, y, short(self.width), short(self.height)).intersection(area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_machines_the_smaller_the_tiles_and_all_are_seen() {
        let tile = |tiles| Mosaic::fit(tiles, 78, 14).tile;
        assert_eq!(
            [2, 5, 12, 40, 60, 120, 500].map(tile),
            [Tile::Panel, Tile::Card, Tile::Line, Tile::Line, Tile::Name, Tile::Short, Tile::Sign]
        );
        let wide = |tiles| Mosaic::fit(tiles, 131, 44).tile;
        assert_eq!([12, 15, 16, 55, 56].map(wide), [Tile::Panel, Tile::Panel, Tile::Card, Tile::Card, Tile::Line]);
    }

    #[test]
    fn no_tile_lies_outside_or_over_another() {
        for tiles in [1, 2, 7, 12, 50, 300, 1000, 10_000] {
            for (width, height) in [(1, 1), (38, 5), (78, 14), (130, 44), (198, 46)] {
                let (mosaic, area) = (Mosaic::fit(tiles, width, height), Rect::new(1, 2, width, height));
                let window = mosaic.window(tiles, tiles / 2);
                assert!(window.contains(&(tiles / 2)), "{tiles} in {width}x{height}");
                let places: Vec<Rect> = (0..window.len()).map(|nth| mosaic.place(nth, area)).collect();
                for (at, place) in places.iter().enumerate().take(500) {
                    assert!(!place.is_empty() || width < 2, "{tiles} in {width}x{height}: {place:?}");
                    assert_eq!(place.intersection(area), *place);
                    assert!(places[..at].iter().all(|other| !other.intersects(*place)));
                }
            }
        }
    }

    #[test]
    fn who_has_no_room_is_scrolled_to() {
        let mosaic = Mosaic::fit(10_000, 78, 14);
        assert_eq!((mosaic.window(10_000, 0), mosaic.window(10_000, 9_999)), (0..546, 9_477..10_000));
    }
}
