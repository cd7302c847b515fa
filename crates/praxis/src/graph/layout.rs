//! Where boxes go: columns by depth, each column in the order that keeps edges short.

use praxis_engine::{BuildGraph, GraphEnd};

/// Width of a stage.
pub const STAGE: f64 = 300.0;
/// Width of a source.
pub const SOURCE: f64 = 196.0;
/// Height of a step.
pub const ROW: f64 = 22.0;
/// Height of a stage above its steps.
pub const HEAD: f64 = 34.0;
/// Height of a source.
pub const LOW: f64 = 44.0;
/// Between columns.
const GAP: f64 = 72.0;
/// Between boxes of a column.
const SPACE: f64 = 26.0;
const MARGIN: f64 = 24.0;
/// Above the boxes.
pub const TOP: f64 = 64.0;

/// A box.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// Places of all boxes.
pub struct Layout {
    /// Of the sources.
    pub sources: Vec<Place>,
    /// Of the stages.
    pub stages: Vec<Place>,
    /// Of the whole picture.
    pub width: f64,
    /// Of the whole picture.
    pub height: f64,
}

impl Layout {
    /// Lays `graph` out.
    pub fn of(graph: &BuildGraph) -> Layout {
        let depths = depths(graph);
        let columns = depths.iter().max().map_or(1, |deepest| deepest + 1);
        let has_sources = !graph.sources.is_empty();
        let left = MARGIN + if has_sources { SOURCE + GAP } else { 0.0 };
        let mut layout = Layout {
            sources: vec![Place::default(); graph.sources.len()],
            stages: vec![Place::default(); graph.stages.len()],
            width: left + columns as f64 * (STAGE + GAP) - GAP + MARGIN,
            height: 0.0,
        };
        for (index, place) in layout.stages.iter_mut().enumerate() {
            *place = Place {
                x: left + depths[index] as f64 * (STAGE + GAP),
                y: TOP,
                width: STAGE,
                height: HEAD + graph.stages[index].steps.len() as f64 * ROW + 8.0,
            };
        }
        for place in &mut layout.sources {
            *place = Place {
                x: MARGIN,
                y: TOP,
                width: SOURCE,
                height: LOW,
            };
        }
        for column in 0..columns {
            let members: Vec<usize> = (0..depths.len())
                .filter(|&index| depths[index] == column)
                .collect();
            layout.stack(graph, members);
        }
        layout.stack_sources(graph);
        let bottoms = layout
            .sources
            .iter()
            .chain(&layout.stages)
            .map(|place| place.y + place.height);
        layout.height = bottoms.fold(TOP, f64::max) + MARGIN + 24.0;
        layout
    }

    /// Puts the stages of one column under each other, by the middle of what they take from.
    fn stack(&mut self, graph: &BuildGraph, members: Vec<usize>) {
        let mut wanted: Vec<(f64, usize)> = members
            .into_iter()
            .map(|index| {
                let ends = graph.edges.iter().filter(|edge| edge.stage == index);
                let middles: Vec<f64> = ends
                    .filter_map(|edge| match edge.from {
                        GraphEnd::Stage(stage) => Some(self.stages[stage].y),
                        GraphEnd::Source(_) => None,
                    })
                    .collect();
                let sum: f64 = middles.iter().sum();
                (
                    if middles.is_empty() {
                        TOP
                    } else {
                        sum / middles.len() as f64
                    },
                    index,
                )
            })
            .collect();
        wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut next = TOP;
        for (y, index) in wanted {
            let place = &mut self.stages[index];
            place.y = y.max(next);
            next = place.y + place.height + SPACE;
        }
    }

    /// Puts sources beside the steps that take from them.
    fn stack_sources(&mut self, graph: &BuildGraph) {
        let mut wanted: Vec<(f64, usize)> = (0..self.sources.len())
            .map(|index| {
                let users = graph
                    .edges
                    .iter()
                    .filter(|edge| edge.from == GraphEnd::Source(index));
                let first = users
                    .map(|edge| self.step(edge.stage, edge.step))
                    .fold(f64::MAX, f64::min);
                (first - LOW / 2.0, index)
            })
            .collect();
        wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut next = TOP;
        for (y, index) in wanted {
            self.sources[index].y = y.max(next);
            next = self.sources[index].y + LOW + SPACE / 2.0;
        }
    }

    /// The middle of a step.
    pub fn step(&self, stage: usize, step: usize) -> f64 {
        self.stages[stage].y + HEAD + (step as f64 + 0.5) * ROW
    }
}

/// The column of each stage: right of all stages that it takes from.
fn depths(graph: &BuildGraph) -> Vec<usize> {
    let mut depths = vec![0; graph.stages.len()];
    for index in 0..depths.len() {
        let below = graph.edges.iter().filter(|edge| edge.stage == index);
        depths[index] = below
            .filter_map(|edge| match edge.from {
                GraphEnd::Stage(stage) if stage < index => Some(depths[stage] + 1),
                _ => None,
            })
            .max()
            .unwrap_or(0);
    }
    depths
}
