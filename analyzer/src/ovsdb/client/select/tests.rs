use super::*;

const UUID: &str = "0806d25f-1cd4-40b9-93f5-b929aa5b3188";

fn flows() -> Select {
    Select {
        table: "Logical_Flow",
        columns: &["match", "priority"],
        conditions: vec![json!(["priority", "==", 200]), json!(["logical_datapath", "==", ["uuid", UUID]])],
    }
}

fn read(result: &Value, selects: usize) -> Result<Vec<Vec<Row>>, SelectError> {
    let raw = RawValue::from_string(result.to_string()).unwrap();
    rows(&raw, &vec![flows(); selects])
}

#[test]
fn the_operation() {
    let expected = json!({
        "op": "select",
        "table": "Logical_Flow",
        "columns": ["match", "priority"],
        "where": [["priority", "==", 200], ["logical_datapath", "==", ["uuid", UUID]]],
    });
    assert_eq!(flows().operation(), expected);
}

#[test]
fn answers() {
    let row = json!({"_uuid": ["uuid", UUID], "match": "1", "external_ids": ["map", [["stage-name", "x"]]],
        "logical_datapath": ["set", []]});
    let told = read(&json!([{"rows": [row]}, {"rows": []}]), 2).unwrap();
    assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0]);
    let row = &told[0][0];
    assert_eq!(
        (&*row.uuid, row.text("match"), row.map_text("external_ids", "stage-name")),
        (UUID, Some("1"), Some("x"))
    );
    assert_eq!(row.text("logical_datapath"), None);

    let refused = json!([{"rows": []}, {"error": "unknown column", "details": "No column x"}, null]);
    assert!(matches!(read(&refused, 3), Err(SelectError::Refused(why)) if why == "unknown column: No column x"));
    // The whole transaction fails behind its operations.
    let failed = json!([{"rows": []}, {"error": "timed out"}]);
    assert!(matches!(read(&failed, 1), Err(SelectError::Refused(why)) if why.starts_with("timed out")));
    for senseless in [json!([{"rows": []}]), json!([{}, {}]), json!({}), json!([{"rows": [3]}, {"rows": []}])] {
        assert!(matches!(read(&senseless, 2), Err(SelectError::Senseless(_))), "{senseless}");
    }
    assert!(matches!(read(&json!([{"rows": [{"match": ["uuid", "x"]}]}]), 1), Err(SelectError::Senseless(_))));
}
