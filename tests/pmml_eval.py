#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""pmml_eval.py MODEL.pmml ROWS.csv WANT.csv: evaluates the PMML by its specification (4.4: the elements that reseat writes),
on rows of `reseat export --features`, and compares with the risks of `reseat score`."""
import csv, math, sys
import xml.etree.ElementTree as ET

NS = "{http://www.dmg.org/PMML-4_4}"
root = ET.parse(sys.argv[1]).getroot()
fields = [f.get("name") for f in root.iter(NS + "DataField")]
assert len(set(fields)) == len(fields), "two data fields of one name"
assert root.find(NS + "DataDictionary").get("numberOfFields") == str(len(fields))
CALLS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
         "max": max, "abs": abs, "exp": math.exp, "ln1p": math.log1p, "isIn": lambda a, *b: a in b,
         "if": lambda c, a, b: a if c else b}


def value(e, env):
    kind = e.tag.removeprefix(NS)
    if kind == "FieldRef":
        return env[e.get("field")]
    if kind == "Constant":
        return e.text if e.get("dataType") == "string" else float(e.text)
    if kind == "Apply":
        return CALLS[e.get("function")](*(value(c, env) for c in e))
    assert kind == "NormContinuous" and e.get("outliers") == "asExtremeValues", kind
    knots = [(float(k.get("orig")), float(k.get("norm"))) for k in e]
    z = env[e.get("field")]
    if z <= knots[0][0]:
        return knots[0][1]
    for (a, p), (b, q) in zip(knots, knots[1:]):
        if z <= b:
            return p + (q - p) * (z - a) / (b - a)
    return knots[-1][1]


model = root.find(NS + "RegressionModel")
svm = root.find(NS + "SupportVectorMachineModel")
model = svm if model is None else model
derived = list(model.iter(NS + "DerivedField"))
if svm is not None:
    gamma = float(svm.find(NS + "RadialBasisKernelType").get("gamma"))
    columns = [f.get("field") for f in svm.find(f"{NS}VectorDictionary/{NS}VectorFields")]
    vectors = {v.get("id"): [float(x) for x in next(v.iter(NS + "REAL-Entries")).text.split()]
               for v in svm.iter(NS + "VectorInstance")}
    order = [v.get("vectorId") for v in svm.iter(NS + "SupportVector")]
    coefs = svm.find(f"{NS}SupportVectorMachine/{NS}Coefficients")


def predict(env):
    for f in derived:
        env[f.get("name")] = value(f[0], env)
    if svm is not None:
        x = [env[c] for c in columns]
        return float(coefs.get("absoluteValue")) + math.fsum(
            float(c.get("value")) * math.exp(-gamma * sum((a - b) ** 2 for a, b in zip(x, vectors[v])))
            for c, v in zip(coefs, order))
    table = model.find(NS + "RegressionTable")
    z = float(table.get("intercept"))
    for t in table:
        names = [t.get("name")] if t.get("name") else [f.get("field") for f in t]
        z += float(t.get("coefficient")) * math.prod(env[n] for n in names)
    return z


risk_field = next(f for f in model.iter(NS + "OutputField") if f.get("name") == "reseat_risk")
with open(sys.argv[2]) as rows, open(sys.argv[3]) as want:
    data = csv.reader(rows)
    next(data)
    n = 0
    for row, score in zip(data, csv.DictReader(want)):
        n += 1
        if n % (97 if svm is not None else 7):
            continue
        env = dict(zip(fields, map(float, row[5:])), reseat_cohort=row[3])
        env["reseat_z"] = predict(env)
        got, risk = value(risk_field[0], env), float(score["risk"])
        assert abs(got - risk) <= (1e-5 if svm is not None else 1e-9) * max(risk, 1e-3), (n, got, risk)
assert n > 100
