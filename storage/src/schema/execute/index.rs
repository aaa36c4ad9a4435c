//! CREATE INDEX and DROP INDEX.

use super::{Run, declared_in_file, is_name_taken};
use crate::error::DdlError;
use crate::schema::check::INDEX_COLUMNS_MAX;
use crate::schema::ddl::IndexKeySpec;
use crate::schema::lexer::quote_name;
use crate::schema::model::Origin;
use crate::schema::naming::index_name;
use crate::schema::stored::{self, Entry, EntryKind};

impl Run<'_> {
    pub(super) fn create_index(
        &mut self,
        name: Option<&str>,
        table: &str,
        columns: &[IndexKeySpec],
        if_not_exists: bool,
    ) -> Result<(), DdlError> {
        let on = self.relation(table)?;
        for key in columns {
            if !on.columns.iter().any(|column| column.name == key.column && !column.hidden) {
                return Err(DdlError::UndefinedIndexColumn(key.column.clone()));
            }
        }
        if columns.len() > INDEX_COLUMNS_MAX {
            let message = format!("cannot use more than {INDEX_COLUMNS_MAX} columns in an index");
            return Err(DdlError::TooManyColumns(message));
        }
        let name = match name {
            Some(name) if self.is_free(name)? => name.to_owned(),
            Some(name) => return self.already_exists(name, if_not_exists),
            None => {
                let names: Vec<&str> = columns.iter().map(|key| key.column.as_str()).collect();
                index_name(table, &names, |name| is_name_taken(self.conn(), name).unwrap_or(true))
            }
        };
        let sql = create_index_sql(&name, table, columns);
        self.sql(&sql)?;
        stored::put(self.conn(), &index_entry(table, &name, Origin::Wire, &sql))?;
        self.refresh(table)
    }

    pub(super) fn drop_index(&mut self, name: &str, if_exists: bool) -> Result<(), DdlError> {
        let found = self.schema.index(name).filter(|(_, index)| index.name == name);
        let Some((table, origin)) = found.map(|(table, index)| (table.name.clone(), index.origin)) else {
            return self.no_such_index(name, if_exists);
        };
        if origin == Origin::File {
            return Err(declared_in_file("drop", "index", name));
        }
        self.sql(&format!("DROP INDEX {}", quote_name(name)))?;
        stored::remove_index(self.conn(), name)?;
        self.refresh(&table)
    }

    fn no_such_index(&mut self, name: &str, if_exists: bool) -> Result<(), DdlError> {
        if self.schema.table(name).is_some() {
            return Err(DdlError::WrongObjectType {
                message: format!("\"{name}\" is not an index"),
                hint: "Use DROP TABLE to remove a table.".to_owned(),
            });
        }
        let of_key = self.schema.tables.values().find(|table| table.primary_key_name.as_deref() == Some(name));
        if let Some(table) = of_key {
            let table = &table.name;
            return Err(DdlError::Required {
                message: format!("cannot drop index {name} because constraint {name} on table {table} requires it"),
                hint: format!("You can drop constraint {name} on table {table} instead."),
            });
        }
        if !if_exists {
            return Err(DdlError::UndefinedIndex(name.to_owned()));
        }
        self.notice("00000", format!("index \"{name}\" does not exist, skipping"));
        Ok(())
    }
}

pub(super) fn index_entry(table: &str, name: &str, origin: Origin, sql: &str) -> Entry {
    Entry { table: table.to_owned(), kind: EntryKind::Index, name: name.to_owned(), sql: sql.to_owned(), origin }
}

fn create_index_sql(name: &str, table: &str, columns: &[IndexKeySpec]) -> String {
    let key = |key: &IndexKeySpec| format!("{}{}", quote_name(&key.column), if key.descending { " DESC" } else { "" });
    let keys: Vec<String> = columns.iter().map(key).collect();
    format!("CREATE INDEX {} ON {} ({})", quote_name(name), quote_name(table), keys.join(", "))
}
