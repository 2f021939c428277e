use std::sync::Arc;

use http::Extensions;

use super::RequestContext;

struct Number<const KIND: usize>(u32);

fn number<const KIND: usize>(extensions: &Extensions) -> Option<u32> {
    RequestContext::get::<Number<KIND>>(extensions).map(|number| number.0)
}

fn insert<const KIND: usize>(extensions: &mut Extensions, value: u32) {
    RequestContext::insert(extensions, Arc::new(Number::<KIND>(value)));
}

#[test]
fn nothing_is_found_in_extensions_without_a_context() {
    assert_eq!(number::<0>(&Extensions::new()), None);
}

#[test]
fn a_value_is_found_by_its_type_and_replaced_by_another_of_its_type() {
    let mut extensions = Extensions::new();
    insert::<0>(&mut extensions, 1);
    insert::<1>(&mut extensions, 2);
    insert::<0>(&mut extensions, 3);
    assert_eq!(number::<0>(&extensions), Some(3));
    assert_eq!(number::<1>(&extensions), Some(2));
    assert_eq!(number::<2>(&extensions), None);
    assert_eq!(extensions.len(), 1);
}

#[test]
fn there_may_be_more_values_than_have_a_place_without_an_allocation() {
    let mut extensions = Extensions::new();
    insert::<0>(&mut extensions, 0);
    insert::<1>(&mut extensions, 1);
    insert::<2>(&mut extensions, 2);
    insert::<3>(&mut extensions, 3);
    insert::<4>(&mut extensions, 4);
    insert::<5>(&mut extensions, 5);
    insert::<5>(&mut extensions, 6);
    assert_eq!(number::<0>(&extensions), Some(0));
    assert_eq!(number::<3>(&extensions), Some(3));
    assert_eq!(number::<4>(&extensions), Some(4));
    assert_eq!(number::<5>(&extensions), Some(6));
}

#[test]
fn copies_share_a_value_and_do_not_see_a_later_one() {
    let mut extensions = Extensions::new();
    insert::<0>(&mut extensions, 1);
    let copy = extensions.clone();
    let shared = RequestContext::get_shared::<Number<0>>(&copy).expect("a value");
    let original = RequestContext::get_shared::<Number<0>>(&extensions).expect("a value");
    assert!(Arc::ptr_eq(&shared, &original));
    insert::<0>(&mut extensions, 2);
    insert::<1>(&mut extensions, 3);
    assert_eq!(number::<0>(&copy), Some(1));
    assert_eq!(number::<1>(&copy), None);
    assert_eq!(number::<0>(&extensions), Some(2));
}
