//! SELECT, VALUES, set operations, WITH, ORDER BY, LIMIT, windows.

use super::Parser;
use crate::error::SqlError;
use crate::sql::ast::{
    Body, Bound, Cte, CteBody, Distinct, Exclude, Expr, ExprKind, Frame, FrameUnit, FromItem, Locking, OrderItem,
    Query, Select, SelectItem, SetOperator, Statement, Window, With,
};
use crate::sql::keyword;
use crate::sql::lexer::Kind;

impl Parser<'_> {
    pub(super) fn query(&mut self) -> Result<Query, SqlError> {
        self.nested(|parser| {
            let at = parser.at();
            let with = parser.with()?;
            parser.query_after_with(at, with)
        })
    }

    pub(super) fn with(&mut self) -> Result<Option<With>, SqlError> {
        if !self.eat_word("with") {
            return Ok(None);
        }
        let recursive = self.eat_word("recursive");
        let mut tables = Vec::new();
        loop {
            let name = self.column_name()?;
            let columns = self.parenthesised_names()?;
            self.expect_word("as")?;
            let materialized = if self.eat_word("materialized") {
                Some(true)
            } else if self.eat_words(&["not", "materialized"]) {
                Some(false)
            } else {
                None
            };
            self.expect_punct(b'(')?;
            let body = self.nested(Self::cte_body)?;
            self.expect_punct(b')')?;
            if matches!(self.word_at(0).as_deref(), Some("search" | "cycle")) {
                return Err(SqlError::unsupported("SEARCH and CYCLE clauses are not supported").at(self.at()));
            }
            tables.push(Cte { name, columns, materialized, body });
            if !self.eat_punct(b',') {
                return Ok(Some(With { recursive, tables }));
            }
        }
    }

    fn cte_body(&mut self) -> Result<CteBody, SqlError> {
        let at = self.at();
        let with = self.with()?;
        let statement = match self.word_at(0).as_deref() {
            Some("insert") => self.insert(with)?,
            Some("update") => self.update(with)?,
            Some("delete") => self.delete(with)?,
            _ => return self.query_after_with(at, with).map(|query| CteBody::Query(Box::new(query))),
        };
        if let Statement::Insert(insert) = statement {
            return Ok(CteBody::Insert(insert));
        }
        if let Statement::Update(update) = statement {
            return Ok(CteBody::Update(update));
        }
        if let Statement::Delete(delete) = statement {
            return Ok(CteBody::Delete(delete));
        }
        Err(self.unexpected())
    }

    pub(super) fn parenthesised_names(&mut self) -> Result<Vec<crate::sql::ast::Name>, SqlError> {
        if !self.eat_punct(b'(') {
            return Ok(Vec::new());
        }
        let names = self.names()?;
        self.expect_punct(b')')?;
        Ok(names)
    }

    pub(super) fn query_after_with(&mut self, at: u32, with: Option<With>) -> Result<Query, SqlError> {
        let mut query = self.set_operations(1)?;
        let plain =
            query.with.is_none() && query.order_by.is_empty() && query.limit.is_none() && query.offset.is_none();
        if !plain && (with.is_some() || self.tail_ahead()) {
            // `(select .. limit 1) limit 2`: the parenthesised query keeps its own clauses.
            query = self.wrapped(query);
        }
        if with.is_some() {
            query.with = with;
        }
        query.at = at;
        self.tail(&mut query)?;
        Ok(query)
    }

    fn tail_ahead(&self) -> bool {
        matches!(self.word_at(0).as_deref(), Some("order" | "limit" | "offset" | "fetch" | "for"))
    }

    /// A query whose only body is `inner`, as a derived table would be.
    fn wrapped(&self, inner: Query) -> Query {
        let at = inner.at;
        self.all_of(at, FromItem::Query { at, lateral: false, query: Box::new(inner), alias: None })
    }

    /// `SELECT * FROM` one relation.
    fn all_of(&self, at: u32, from: FromItem) -> Query {
        let star = SelectItem { expr: Expr { at, kind: ExprKind::Star(Vec::new()) }, alias: None };
        let select = Select {
            distinct: Distinct::All,
            items: vec![star],
            from: vec![from],
            filter: None,
            group_by: Vec::new(),
            group_distinct: false,
            having: None,
            windows: Vec::new(),
        };
        bare(at, Body::Select(Box::new(select)))
    }

    /// UNION and EXCEPT bind alike, INTERSECT tighter.
    fn set_operations(&mut self, floor: u8) -> Result<Query, SqlError> {
        let mut left = self.query_primary()?;
        loop {
            let (op, power) = match self.word_at(0).as_deref() {
                Some("union") => (SetOperator::Union, 1),
                Some("except") => (SetOperator::Except, 1),
                Some("intersect") => (SetOperator::Intersect, 2),
                _ => return Ok(left),
            };
            if power < floor {
                return Ok(left);
            }
            self.advance();
            let all = self.eat_word("all");
            if !all {
                self.eat_word("distinct");
            }
            let right = self.nested(|parser| parser.set_operations(power + 1))?;
            let start = left.at;
            left = bare(start, Body::Set { op, all, left: Box::new(left), right: Box::new(right) });
        }
    }

    fn query_primary(&mut self) -> Result<Query, SqlError> {
        let at = self.at();
        if self.eat_punct(b'(') {
            let query = self.query()?;
            self.expect_punct(b')')?;
            return Ok(query);
        }
        if self.eat_word("values") {
            let mut rows = Vec::new();
            loop {
                self.expect_punct(b'(')?;
                rows.push(self.exprs()?);
                self.expect_punct(b')')?;
                if !self.eat_punct(b',') {
                    return Ok(bare(at, Body::Values { rows }));
                }
            }
        }
        if self.eat_word("table") {
            self.eat_word("only");
            let name = self.object_name()?;
            self.eat_operator("*");
            return Ok(self.all_of(at, FromItem::Table { name, alias: None }));
        }
        self.expect_word("select")?;
        let select = self.select()?;
        Ok(bare(at, Body::Select(Box::new(select))))
    }

    fn select(&mut self) -> Result<Select, SqlError> {
        let distinct = self.distinct()?;
        let mut items = Vec::new();
        if !self.select_list_is_empty() {
            items = self.select_items()?;
        }
        if self.is_word("into") {
            return Err(SqlError::unsupported("SELECT INTO is not supported").at(self.at()));
        }
        let from = if self.eat_word("from") { self.relations()? } else { Vec::new() };
        let filter = if self.eat_word("where") { Some(self.expr()?) } else { None };
        let mut group_by = Vec::new();
        let mut group_distinct = false;
        if self.eat_words(&["group", "by"]) {
            group_distinct = self.eat_word("distinct");
            if !group_distinct {
                self.eat_word("all");
            }
            group_by = self.group_items()?;
        }
        let having = if self.eat_word("having") { Some(self.expr()?) } else { None };
        let mut windows = Vec::new();
        if self.eat_word("window") {
            loop {
                let name = self.column_name()?;
                self.expect_word("as")?;
                windows.push((name, self.window()?));
                if !self.eat_punct(b',') {
                    break;
                }
            }
        }
        Ok(Select { distinct, items, from, filter, group_by, group_distinct, having, windows })
    }

    fn distinct(&mut self) -> Result<Distinct, SqlError> {
        if !self.eat_word("distinct") {
            self.eat_word("all");
            return Ok(Distinct::All);
        }
        if !self.eat_word("on") {
            return Ok(Distinct::Rows);
        }
        self.expect_punct(b'(')?;
        let list = self.exprs()?;
        self.expect_punct(b')')?;
        Ok(Distinct::On(list))
    }

    fn select_list_is_empty(&self) -> bool {
        let ends = [
            "from",
            "where",
            "group",
            "having",
            "window",
            "union",
            "intersect",
            "except",
            "order",
            "limit",
            "offset",
            "fetch",
            "for",
        ];
        match self.token().kind {
            Kind::End | Kind::Punct(b';' | b')') => true,
            Kind::Word => self.word_at(0).is_some_and(|word| ends.contains(&word.as_str())),
            Kind::Quoted
            | Kind::UnicodeQuoted
            | Kind::Parameter(_)
            | Kind::Int4
            | Kind::Int8
            | Kind::Numeric
            | Kind::String
            | Kind::EscapeString
            | Kind::DollarString
            | Kind::UnicodeString
            | Kind::BitString
            | Kind::Operator
            | Kind::Punct(_)
            | Kind::Typecast
            | Kind::Assign
            | Kind::Arrow => false,
        }
    }

    /// A list of results: of SELECT or RETURNING.
    pub(super) fn select_items(&mut self) -> Result<Vec<SelectItem>, SqlError> {
        let mut items = Vec::new();
        loop {
            let at = self.at();
            if self.is_operator("*") {
                self.advance();
                items.push(SelectItem { expr: Expr { at, kind: ExprKind::Star(Vec::new()) }, alias: None });
            } else {
                let expr = self.expr()?;
                let alias = self.result_alias()?;
                items.push(SelectItem { expr, alias });
            }
            if !self.eat_punct(b',') {
                return Ok(items);
            }
        }
    }

    fn result_alias(&mut self) -> Result<Option<String>, SqlError> {
        if self.eat_word("as") {
            return self.label().map(|name| Some(name.text));
        }
        let labelled = match self.token().kind {
            Kind::Quoted | Kind::UnicodeQuoted => true,
            Kind::Word => self.word_at(0).is_some_and(|word| keyword::may_label(&word)),
            Kind::Parameter(_)
            | Kind::Int4
            | Kind::Int8
            | Kind::Numeric
            | Kind::String
            | Kind::EscapeString
            | Kind::DollarString
            | Kind::UnicodeString
            | Kind::BitString
            | Kind::Operator
            | Kind::Punct(_)
            | Kind::Typecast
            | Kind::Assign
            | Kind::Arrow
            | Kind::End => false,
        };
        if labelled { self.label().map(|name| Some(name.text)) } else { Ok(None) }
    }

    pub(super) fn order_by(&mut self) -> Result<Vec<OrderItem>, SqlError> {
        self.expect_word("order")?;
        self.expect_word("by")?;
        let mut items = Vec::new();
        loop {
            let expr = self.expr()?;
            let descending = self.direction()?;
            let nulls_first = if self.eat_words(&["nulls", "first"]) {
                Some(true)
            } else if self.eat_words(&["nulls", "last"]) {
                Some(false)
            } else {
                None
            };
            items.push(OrderItem { expr, descending, nulls_first });
            if !self.eat_punct(b',') {
                return Ok(items);
            }
        }
    }

    /// ASC, DESC or USING an operator: whether the order descends.
    fn direction(&mut self) -> Result<bool, SqlError> {
        if self.eat_word("using") {
            let at = self.at();
            if self.token().kind != Kind::Operator && !self.is_word("operator") {
                return Err(self.unexpected());
            }
            let name = self.operator_name()?.name;
            return match name.as_str() {
                "<" => Ok(false),
                ">" => Ok(true),
                _ => Err(SqlError::new("42809", format!("operator {name} is not a valid ordering operator"))
                    .hint("Ordering operators must be \"<\" or \">\" members of btree operator families.")
                    .at(at)),
            };
        }
        let descending = self.eat_word("desc");
        if !descending {
            self.eat_word("asc");
        }
        Ok(descending)
    }

    fn tail(&mut self, query: &mut Query) -> Result<(), SqlError> {
        if self.is_word("order") {
            query.order_by = self.order_by()?;
        }
        loop {
            let at = self.at();
            if query.limit.is_none() && self.eat_word("limit") {
                if !self.eat_word("all") {
                    query.limit = Some(self.expr()?);
                }
                if self.is_punct(b',') {
                    return Err(SqlError::new("42601", "LIMIT #,# syntax is not supported")
                        .hint("Use separate LIMIT and OFFSET clauses.")
                        .at(at));
                }
            } else if query.offset.is_none() && self.eat_word("offset") {
                query.offset = Some(self.expr()?);
                let _ = self.eat_word("rows") || self.eat_word("row");
            } else if query.limit.is_none() && self.eat_word("fetch") {
                query.limit = Some(self.fetch()?);
            } else if self.eat_word("for") {
                query.locking = Some(self.locking(at)?);
            } else {
                return Ok(());
            }
        }
    }

    fn fetch(&mut self) -> Result<Expr, SqlError> {
        if !self.eat_word("first") {
            self.expect_word("next")?;
        }
        let at = self.at();
        let count = if self.is_word("row") || self.is_word("rows") {
            Expr { at, kind: ExprKind::Integer(1) }
        } else {
            self.expr_above(super::expr::RANGE_POWER)?
        };
        if !self.eat_word("rows") {
            self.expect_word("row")?;
        }
        if self.is_word("with") {
            return Err(SqlError::unsupported("FETCH .. WITH TIES is not supported").at(self.at()));
        }
        self.expect_word("only")?;
        Ok(count)
    }

    fn locking(&mut self, at: u32) -> Result<Locking, SqlError> {
        let strength = if self.eat_word("update") {
            "FOR UPDATE"
        } else if self.eat_word("share") {
            "FOR SHARE"
        } else if self.eat_words(&["no", "key", "update"]) {
            "FOR NO KEY UPDATE"
        } else if self.eat_words(&["key", "share"]) {
            "FOR KEY SHARE"
        } else {
            return Err(self.unexpected());
        };
        let of = if self.eat_word("of") { self.object_names()? } else { Vec::new() };
        let nowait = self.eat_word("nowait");
        if !nowait {
            self.eat_words(&["skip", "locked"]);
        }
        Ok(Locking { at, strength, of, nowait })
    }

    pub(super) fn window(&mut self) -> Result<Window, SqlError> {
        let at = self.at();
        self.expect_punct(b'(')?;
        let mut window = Window { at, base: None, partition_by: Vec::new(), order_by: Vec::new(), frame: None };
        let clause = matches!(self.word_at(0).as_deref(), Some("partition" | "order" | "rows" | "range" | "groups"));
        if self.is_column_name() && !clause {
            window.base = Some(self.column_name()?);
        }
        if self.eat_words(&["partition", "by"]) {
            window.partition_by = self.exprs()?;
        }
        if self.is_word("order") {
            window.order_by = self.order_by()?;
        }
        let unit = match self.word_at(0).as_deref() {
            Some("rows") => Some(FrameUnit::Rows),
            Some("range") => Some(FrameUnit::Range),
            Some("groups") => Some(FrameUnit::Groups),
            _ => None,
        };
        if let Some(unit) = unit {
            self.advance();
            window.frame = Some(self.frame(unit)?);
        }
        self.expect_punct(b')')?;
        Ok(window)
    }

    fn frame(&mut self, unit: FrameUnit) -> Result<Frame, SqlError> {
        let between = self.eat_word("between");
        let start_at = self.at();
        let start = self.bound()?;
        let mut end_at = start_at;
        let end = if between {
            self.expect_word("and")?;
            end_at = self.at();
            self.bound()?
        } else {
            Bound::CurrentRow
        };
        let exclude = if self.eat_word("exclude") { self.exclusion()? } else { Exclude::NoOthers };
        Ok(Frame { start_at, end_at, unit, start, end, exclude })
    }

    fn exclusion(&mut self) -> Result<Exclude, SqlError> {
        if self.eat_words(&["current", "row"]) {
            Ok(Exclude::CurrentRow)
        } else if self.eat_word("group") {
            Ok(Exclude::Group)
        } else if self.eat_word("ties") {
            Ok(Exclude::Ties)
        } else {
            self.expect_word("no")?;
            self.expect_word("others")?;
            Ok(Exclude::NoOthers)
        }
    }

    fn bound(&mut self) -> Result<Bound, SqlError> {
        if self.eat_words(&["current", "row"]) {
            return Ok(Bound::CurrentRow);
        }
        if self.eat_words(&["unbounded", "preceding"]) {
            return Ok(Bound::UnboundedPreceding);
        }
        if self.eat_words(&["unbounded", "following"]) {
            return Ok(Bound::UnboundedFollowing);
        }
        let offset = self.expr()?;
        if self.eat_word("preceding") {
            return Ok(Bound::Preceding(offset));
        }
        self.expect_word("following")?;
        Ok(Bound::Following(offset))
    }
}

fn bare(at: u32, body: Body) -> Query {
    Query { at, with: None, body, order_by: Vec::new(), limit: None, offset: None, locking: None }
}
