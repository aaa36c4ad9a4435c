//! Type names: PostgreSQL's words for its types, modifiers, array marks.

use super::Parser;
use crate::error::SqlError;
use crate::sql::ast::TypeName;
use crate::sql::lexer::Kind;
use crate::sql::literal;

/// Words that begin a type only where a type is expected, and what the type is called inside.
fn internal_name(word: &str) -> Option<&'static str> {
    Some(match word {
        "int" | "integer" => "int4",
        "smallint" => "int2",
        "bigint" => "int8",
        "real" => "float4",
        "boolean" => "bool",
        "decimal" | "dec" | "numeric" => "numeric",
        "varchar" => "varchar",
        "nchar" | "char" | "character" => "bpchar",
        "time" => "time",
        "timestamp" => "timestamp",
        "interval" => "interval",
        "bit" => "bit",
        "float" => "float",
        _ => return None,
    })
}

impl Parser<'_> {
    /// A type, with `[]` or `ARRAY` after it.
    pub(crate) fn type_name(&mut self) -> Result<TypeName, SqlError> {
        if self.is_word("setof") {
            return Err(SqlError::unsupported("SETOF is not supported").at(self.at()));
        }
        let mut found = self.simple_type()?;
        if self.eat_word("array") {
            found.array = true;
        }
        while self.eat_punct(b'[') {
            if matches!(self.token().kind, Kind::Int4) {
                self.advance();
            }
            self.expect_punct(b']')?;
            found.array = true;
        }
        Ok(found)
    }

    fn simple_type(&mut self) -> Result<TypeName, SqlError> {
        let token = self.token();
        let word = if token.kind == Kind::Word { self.word_at(0).unwrap_or_default() } else { String::new() };
        let mut found = TypeName {
            at: token.start,
            schema: None,
            name: String::new(),
            modifiers: Vec::new(),
            array: false,
            quoted: false,
        };
        if word == "double" && self.is_word_at(1, "precision") {
            self.advance();
            self.advance();
            found.name = "float8".into();
            return Ok(found);
        }
        if word == "national" {
            self.advance();
            return self.simple_type();
        }
        if let Some(name) = internal_name(&word).filter(|_| self.ahead(1).kind != Kind::Punct(b'.')) {
            self.advance();
            return self.builtin_type(&word, name, found);
        }
        let name = self.function_name()?;
        found.quoted = matches!(token.kind, Kind::Quoted | Kind::UnicodeQuoted);
        found.schema = name.schema().map(str::to_owned);
        found.name = name.last().to_owned();
        if self.is_punct(b'(') {
            found.modifiers = self.modifiers()?;
        }
        Ok(found)
    }

    fn builtin_type(&mut self, word: &str, name: &str, mut found: TypeName) -> Result<TypeName, SqlError> {
        found.name = name.to_owned();
        match word {
            "character" | "char" | "nchar" | "bit" => {
                if self.eat_word("varying") {
                    found.name = if word == "bit" { "varbit" } else { "varchar" }.to_owned();
                } else if word != "bit" {
                    // `char` alone is `char(1)`.
                    found.modifiers = vec![1];
                }
                if self.is_punct(b'(') {
                    found.modifiers = self.modifiers()?;
                }
            }
            "numeric" | "decimal" | "dec" | "varchar" | "float" => {
                let at = self.at();
                if self.is_punct(b'(') {
                    found.modifiers = self.modifiers()?;
                }
                if word == "float" {
                    found.name = match found.modifiers.first() {
                        None => "float8",
                        Some(1..=24) => "float4",
                        Some(25..=53) => "float8",
                        Some(precision) if *precision < 1 => {
                            return Err(
                                SqlError::new("22023", "precision for type float must be at least 1 bit").at(at)
                            );
                        }
                        Some(_) => {
                            return Err(
                                SqlError::new("22023", "precision for type float must be less than 54 bits").at(at)
                            );
                        }
                    }
                    .to_owned();
                    found.modifiers.clear();
                }
            }
            "time" | "timestamp" => {
                if self.is_punct(b'(') {
                    found.modifiers = self.modifiers()?;
                }
                if self.eat_words(&["with", "time", "zone"]) {
                    found.name = format!("{word}tz");
                } else {
                    self.eat_words(&["without", "time", "zone"]);
                }
            }
            "interval" => {
                if self.is_punct(b'(') {
                    found.modifiers = self.modifiers()?;
                }
                let fields = ["year", "month", "day", "hour", "minute", "second"];
                if self.word_at(0).is_some_and(|word| fields.contains(&word.as_str())) {
                    return Err(SqlError::unsupported("fields of type interval are not supported").at(self.at()));
                }
            }
            _ => {}
        }
        Ok(found)
    }

    fn modifiers(&mut self) -> Result<Vec<i32>, SqlError> {
        self.expect_punct(b'(')?;
        let mut modifiers = Vec::new();
        loop {
            let negative = self.eat_operator("-");
            let token = self.token();
            if token.kind != Kind::Int4 {
                return Err(self.unexpected());
            }
            self.advance();
            let value: i32 = literal::text(self.source, &token)?.parse().map_err(|_| self.unexpected())?;
            modifiers.push(if negative { -value } else { value });
            if !self.eat_punct(b',') {
                break;
            }
        }
        self.expect_punct(b')')?;
        Ok(modifiers)
    }

    /// Whether the words ahead are a built-in type's that may precede a string: `timestamp with time zone '..'`.
    pub(super) fn builtin_type_ahead(&self) -> bool {
        self.word_at(0).is_some_and(|word| internal_name(&word).is_some() || word == "double" || word == "national")
    }
}
