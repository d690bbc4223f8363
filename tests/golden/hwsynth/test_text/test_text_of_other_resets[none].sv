// transpose(A: i16[3, 5]) -> (B: i16[5, 3])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module transpose (
    input  logic               clk,

    // start is taken where busy is low; done is high for one cycle at the end
    input  logic               start,
    output logic               busy,
    output logic               done,

    // A: 15 words of i16, row-major 3 x 5
    output logic               A_ren,
    output logic [3:0]         A_raddr,
    input  logic signed [15:0] A_rdata,

    // B: 15 words of i16, row-major 5 x 3
    output logic               B_wen,
    output logic [3:0]         B_waddr,
    output logic signed [15:0] B_wdata
);
  logic start_i;
  logic last1;  // the stage that holds the last iteration

  // ---------------------------------------------------------------------- the run (designs.py:132)
  logic accepted;

  assign accepted = start && !busy;

  initial begin
    busy = 1'b0;
    done = 1'b0;
  end
  always @(posedge clk) begin
    if (accepted) begin
      busy <= 1'b1;
    end else if (last1) begin
      busy <= 1'b0;
    end
    done <= last1;
  end

  // --------------------- loop i, j: 15 iterations, one begins each cycle, 1 stage (designs.py:133)
  localparam logic [2:0] LAST_I = 3'd4;
  localparam logic [1:0] LAST_J = 2'd2;
  logic       i_last;
  logic       j_last;
  logic [2:0] i;
  logic [1:0] j;
  logic       run_i;  // iterations begin

  assign i_last = i == LAST_I;
  assign j_last = j == LAST_J;

  initial begin
    run_i = 1'b0;
  end
  always @(posedge clk) begin
    if (accepted) begin
      run_i <= 1'b1;
    end else if (start_i) begin
      run_i <= 1'b0;
    end
  end

  always_ff @(posedge clk) begin
    if (accepted) begin
      i <= 3'd0;
      j <= 2'd0;
    end else if (run_i) begin
      if (j_last) i <= i + 3'd1;
      j <= j_last ? 2'd0 : j + 2'd1;
    end
  end

  // -------------------- loop i, j: 15 iterations, one begins each cycle, 2 stages (designs.py:134)
  localparam logic [1:0] LAST_I_1 = 2'd2;
  localparam logic [2:0] LAST_J_1 = 3'd4;
  logic       i_last_1;
  logic       j_last_1;
  logic [4:0] sum;
  logic [1:0] i_1;
  logic [2:0] j_1;
  logic       run_i_1;  // iterations begin
  logic       valid1;   // the stages that hold an iteration
  logic [3:0] B_addr_s1;

  assign start_i = run_i && j_last && i_last;
  assign i_last_1 = i_1 == LAST_I_1;
  assign j_last_1 = j_1 == LAST_J_1;
  assign sum = 5'({j_1, 1'b0}) + 5'(j_1);

  initial begin
    run_i_1 = 1'b0;
    last1 = 1'b0;
    valid1 = 1'b0;
  end
  always @(posedge clk) begin
    if (start_i) begin
      run_i_1 <= 1'b1;
    end else if (j_last_1 && i_last_1) begin
      run_i_1 <= 1'b0;
    end
    last1 <= run_i_1 && j_last_1 && i_last_1;
    valid1 <= run_i_1;
  end

  always_ff @(posedge clk) begin
    if (start_i) begin
      i_1 <= 2'd0;
      j_1 <= 3'd0;
    end else if (run_i_1) begin
      if (j_last_1) i_1 <= i_1 + 2'd1;
      j_1 <= j_last_1 ? 3'd0 : j_1 + 3'd1;
    end
  end

  always_ff @(posedge clk) B_addr_s1 <= sum[3:0] + 4'(i_1);

  // ----------------------------------------------------------------------------------------- ports
  logic [4:0] sum_1;

  // designs.py:133: B = gm.zeros((N, M), i16)
  assign sum_1 = 5'({i, 1'b0}) + 5'(i);

  assign A_raddr = {i_1, i_1} + 4'(j_1);
  assign A_ren = run_i_1;
  assign B_waddr = run_i ? sum_1[3:0] + 4'(j) : B_addr_s1;
  assign B_wdata = run_i ? 16'sd0 : A_rdata;
  assign B_wen = run_i || valid1;

  // bits that nothing reads
  logic unused;
  assign unused = &{1'b0, sum[4], sum_1[4]};
endmodule
