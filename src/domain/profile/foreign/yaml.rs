//! YAML with the line of everything in it.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::quoted;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Yaml {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Nothing,
    /// As it is spelled, or as YAML means it: `true`, `7`.
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// The first document of `text`; where and why there is none.
    pub(super) fn read(text: &str) -> Result<Self, (usize, String)> {
        let documents = MarkedYaml::load_from_str(text).map_err(|err| (err.marker().line(), err.info().to_owned()))?;
        Ok(documents.first().map_or(Self { line: 1, value: Value::Nothing }, from))
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Nothing | Value::List(_) | Value::Map(_) => None,
        }
    }

    pub(super) fn list(&self) -> &[Yaml] {
        match &self.value {
            Value::List(list) => list,
            Value::Nothing | Value::Text(_) | Value::Map(_) => &[],
        }
    }

    pub(super) fn map(&self) -> &[(String, Yaml)] {
        match &self.value {
            Value::Map(map) => map,
            Value::Nothing | Value::Text(_) | Value::List(_) => &[],
        }
    }

    pub(super) fn find(&self, key: &str) -> Option<&Yaml> {
        self.map().iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// On one line, as YAML and JSON write it.
    pub(super) fn flow(&self) -> String {
        match &self.value {
            Value::Nothing => "null".into(),
            Value::Text(text) => quoted(text),
            Value::List(list) => format!("[{}]", list.iter().map(Self::flow).collect::<Vec<_>>().join(", ")),
            Value::Map(map) => {
                let pair = |(key, value): &(String, Yaml)| format!("{}: {}", quoted(key), value.flow());
                format!("{{{}}}", map.iter().map(pair).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn from(node: &MarkedYaml<'_>) -> Yaml {
    let value = match &node.data {
        YamlData::Sequence(list) => Value::List(list.iter().map(from).collect()),
        YamlData::Mapping(map) => {
            let pair = |(key, value): (&MarkedYaml<'_>, &MarkedYaml<'_>)| {
                // A value that is not there is on the line of its key.
                let value = from(value);
                let key = from(key);
                (key.text().unwrap_or_default().to_owned(), Yaml { line: key.line.min(value.line), ..value })
            };
            Value::Map(map.iter().map(pair).collect())
        }
        YamlData::Value(scalar) => match scalar {
            Scalar::Null => Value::Nothing,
            Scalar::Boolean(yes) => Value::Text(yes.to_string()),
            Scalar::Integer(number) => Value::Text(number.to_string()),
            Scalar::FloatingPoint(number) => Value::Text(number.to_string()),
            Scalar::String(text) => Value::Text(text.clone().into_owned()),
        },
        YamlData::Representation(text, ..) => Value::Text(text.clone().into_owned()),
        YamlData::Tagged(_, inner) => from(inner).value,
        YamlData::Alias(_) | YamlData::BadValue => Value::Nothing,
    };
    Yaml { line: node.span.start.line(), value }
}
